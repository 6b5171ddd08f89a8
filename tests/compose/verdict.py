"""What must hold after any load, whatever happened meanwhile, as far as it is seen from outside and in MongoDB."""

from typing import Any

from tests.support.api import Api
from tests.support.checking.clients import check_clients
from tests.support.checking.evidence import Ends, Evidence, Findings
from tests.support.checking.lives import check_lives
from tests.support.checking.tellings import check_page
from tests.support.events import Events
from tests.support.load import Load
from tests.support.records import Records


async def judge(
    load: Load, api: Api, records: Records, page: Events, *, within: float = 90
) -> dict[str, Any]:
    """Wait until all jobs of a load have ended and the page has seen it; raise if a promise is broken."""
    jobs = load.jobs
    await records.all_final(jobs, within=within)
    await load.seen_by(page)
    stored = await records.jobs(jobs)
    evidence = Evidence(
        posts=tuple(post for post in api.history if post.job is None or post.job in stored),
        stored=stored,
        steps=await records.steps(jobs),
        results=await records.results(jobs),
        pages=(page,),
        ends=Ends(must_fail=load.doomed),
    )
    found = Findings()
    check_clients(evidence, found)
    check_lives(evidence, found)
    check_page(evidence, found, page)
    return found.verdict()
