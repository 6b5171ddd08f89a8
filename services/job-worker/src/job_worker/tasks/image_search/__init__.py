"""The task that finds pictures: from Unsplash with a key, else drawn here."""

from datetime import timedelta

from job_worker.tasks.context import TaskContext
from job_worker.tasks.definition import task
from job_worker.tasks.image_search.guarded import Searcher
from job_worker.tasks.image_search.pictures import SearchPayload, SearchResult
from job_worker.tasks.image_search.providers import open_provider

__all__ = ["SearchPayload", "SearchResult", "image_search"]


@task("image.search", max_attempts=5, timeout=timedelta(minutes=1), resources=open_provider)
async def image_search(payload: SearchPayload, context: TaskContext) -> SearchResult:
    """Finds pictures for some words."""
    searcher: Searcher = context.resource
    return await searcher.answer(payload, context)
