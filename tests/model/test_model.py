"""The protocol, explored: as much of it as takes seconds. `python -m tests.model` explores the whole."""

from functools import cache

import pytest

from job_contracts.lifecycle import MOVES
from tests.contract.moves import FENCED, KEEPING, PERSONAL
from tests.model.exploring import Verdict, explore
from tests.model.mutations import CASES, Case
from tests.model.scenarios import SCENARIOS, SHORT
from tests.model.truth import BUILDERS, UNMODELLED


@cache
def explored(name: str) -> Verdict:
    return explore(SCENARIOS[name])


@pytest.mark.parametrize("name", SHORT)
def test_nothing_that_befalls_a_job_breaks_a_promise_or_traps_it(name: str) -> None:
    verdict = explored(name)
    assert not verdict.complaint, "\n".join([verdict.complaint, *verdict.trace])


@pytest.mark.parametrize("case", [c for c in CASES if not c.long], ids=lambda case: case.mutation.name)
def test_a_protocol_without_one_of_its_safeties_is_caught(case: Case) -> None:
    verdict = explore(SCENARIOS[case.scenario], case.mutation)
    assert verdict.complaint, f"{verdict.states} states without a complaint"


def test_the_model_makes_every_move_by_everybody_who_may_make_it() -> None:
    made = {(name.split(" ")[0], by) for scenario in SHORT for name, by in explored(scenario).made}
    assert {(m.name, role) for m in MOVES.values() for role in m.roles} <= made


def test_the_model_knows_every_update_of_a_record() -> None:
    known = {name.split(" ")[0] for name in BUILDERS}
    assert known | UNMODELLED == FENCED.keys() | PERSONAL.keys() | KEEPING.keys() == known ^ UNMODELLED
