"""The task that finds pictures, and the one that tells their provider that one is used."""

from datetime import timedelta

from job_worker.tasks.context import TaskContext
from job_worker.tasks.definition import task
from job_worker.tasks.image_search.guarded import Searcher
from job_worker.tasks.image_search.pictures import SearchPayload, SearchResult
from job_worker.tasks.image_search.providers import open_provider
from job_worker.tasks.image_search.using import UsePayload, UseReports, UseResult, open_reports

__all__ = ["SearchPayload", "SearchResult", "UsePayload", "UseResult", "image_search", "image_used"]


@task("image.search", max_attempts=5, timeout=timedelta(minutes=1), resources=open_provider)
async def image_search(payload: SearchPayload, context: TaskContext) -> SearchResult:
    """Finds pictures for some words."""
    searcher: Searcher = context.resource
    return await searcher.answer(payload, context)


@task("image.used", max_attempts=5, timeout=timedelta(seconds=30), resources=open_reports)
async def image_used(payload: UsePayload, context: TaskContext) -> UseResult:
    """Tells the provider of a found picture that a person has taken it, as Unsplash's terms ask."""
    reports: UseReports = context.resource
    return UseResult(reported=await reports.report(payload, context))
