"""The lifecycle as data, and the guarded moves that must obey it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_contracts.lifecycle import FINAL, LIVE, MOVES, JobState, is_legal
from job_contracts.record import GuardedMove
from tests.contract.moves import FENCED, KEEPING, PERSONAL

MOVES_BY_NAME = {**FENCED, **PERSONAL}

ids = st.lists(st.uuids().map(str), min_size=1, max_size=3, unique=True)
versions = st.integers(1, 2**53)
states = st.sampled_from(list(JobState))


def states_named_by(move: GuardedMove) -> set[JobState]:
    wanted = move.filter["state"]
    return {JobState(s) for s in (wanted["$in"] if isinstance(wanted, dict) else [wanted])}


def test_every_move_of_the_lifecycle_is_made_by_some_builder() -> None:
    assert set(MOVES) == set(MOVES_BY_NAME)


@pytest.mark.parametrize("name", MOVES_BY_NAME)
@given(job_ids=ids, version=versions)
def test_a_move_names_exactly_the_states_it_may_leave(name: str, job_ids: list[str], version: int) -> None:
    for move in MOVES_BY_NAME[name](job_ids[0], version):
        assert states_named_by(move) == MOVES[name].sources
        assert move.update[0]["$set"]["state"] == MOVES[name].target


@pytest.mark.parametrize("name", FENCED)
@given(job_ids=ids, version=versions)
def test_a_services_move_is_fenced_by_the_version_and_sets_the_next_one(
    name: str, job_ids: list[str], version: int
) -> None:
    for move in FENCED[name](job_ids[0], version):
        assert move.filter["version"] == version
        assert move.update[0]["$set"]["version"] == version + 1
        assert move.update[0]["$set"]["revision"] == 0


@pytest.mark.parametrize("name", PERSONAL)
def test_a_persons_move_is_bound_to_the_owner_and_counts_the_version_up(name: str) -> None:
    for move in PERSONAL[name]("0198c0de-0000-7000-8000-000000000000", 1):
        assert move.filter["owner"] == "default"
        assert move.update[0]["$set"]["version"] == {"$add": ["$version", 1]}


@pytest.mark.parametrize("name", KEEPING)
def test_an_update_that_is_no_move_leaves_state_and_version_alone(name: str) -> None:
    touched = {
        field
        for move in KEEPING[name]("0198c0de-0000-7000-8000-000000000000", 1)
        for stage in move.update
        for fields in stage.values()
        for field in fields
    }
    assert not touched & {"state", "version"}


def test_no_move_leaves_a_final_state_but_redrive() -> None:
    assert [m.name for m in MOVES.values() if m.sources & FINAL] == ["redrive", "redrive_later"]


def test_every_live_state_can_still_end() -> None:
    reached = set(FINAL)
    while (
        more := {m_source for m in MOVES.values() if m.target in reached for m_source in m.sources} - reached
    ):
        reached |= more
    assert reached >= LIVE


@given(source=states, target=states)
def test_a_change_is_legal_exactly_when_some_move_makes_it(source: JobState, target: JobState) -> None:
    assert is_legal(source, target) == any(source in m.sources and target is m.target for m in MOVES.values())


def test_each_move_says_why() -> None:
    assert all(m.why.endswith(".") and m.roles for m in MOVES.values())
