"""Each rule and each guard taken away once, and the scenario in which that shows.

A mutation of a builder changes what the product's own builder yields; one of a rule
changes what an actor does. Some safeties stand behind others: those are taken away together.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from job_contracts.record import GuardedMove
from tests.model.exploring import Mutation
from tests.model.truth import Twist


def unguarded(*fields: str) -> Twist:
    """Without these conditions in the filter."""

    def twist(move: GuardedMove) -> GuardedMove:
        missing = set(fields) - move.filter.keys()
        assert not missing, f"no guard on {missing} to take away"
        return move._replace(filter={k: v for k, v in move.filter.items() if k not in fields})

    return twist


def unset(*fields: str) -> Twist:
    """Without writing these fields."""
    return _stages("$set", lambda stage: {k: v for k, v in stage.items() if k not in fields}, fields)


def kept(*fields: str) -> Twist:
    """Without removing these fields."""
    return _stages("$unset", lambda stage: [f for f in stage if f not in fields], fields)


def uncapped(move: GuardedMove) -> GuardedMove:
    """Without looking at `expire_by` where `wake_at` is set."""
    twist = _stages("$set", lambda stage: {**stage, "wake_at": stage["wake_at"]["$min"][0]}, ("wake_at",))
    return twist(move)


def _stages(name: str, change: Any, fields: tuple[str, ...]) -> Twist:
    def twist(move: GuardedMove) -> GuardedMove:
        there = {field for stage in move.update for field in stage.get(name, ())}
        assert there >= set(fields), f"no {name} of {set(fields) - there} to take away"
        update: list[Mapping[str, Any]] = [
            {name: change(stage[name])} if name in stage else stage for stage in move.update
        ]
        return GuardedMove(move.filter, [dict(stage) for stage in update])

    return twist


class Case(NamedTuple):
    """A mutation, and the scenario that must catch it."""

    mutation: Mutation
    scenario: str
    long: bool = False
    """Whether it takes more than a second or two to be caught."""


def _guards(name: str, scenario: str, *, long: bool = False, **twists: Twist) -> Case:
    return Case(
        Mutation(name, twists={_named(builder): twist for builder, twist in twists.items()}), scenario, long
    )


def _named(builder: str) -> str:
    return builder.replace("_", " ") if builder.startswith("reschedule") else builder


def _rule(rule: str, scenario: str, *, long: bool = False, **twists: Twist) -> Case:
    return Case(Mutation(f"not: {rule}", frozenset({rule}), twists), scenario, long)


_VERSION = unguarded("version")

CASES: Final = (
    # Guards of moves.
    _guards("a claim without the version", "crashes", claim=_VERSION),
    _guards("a success without the version", "a frozen worker", succeed=_VERSION),
    _guards("a failure without the version", "a delete", fail=_VERSION),
    _guards("an expiry of a job without one", "a stranger", fail_expired=unguarded("expire_by", "$expr")),
    _guards("an expiry before its time", "a stranger", fail_expired=unguarded("$expr")),
    _guards("a failure of whatever state", "a stranger", fail=unguarded("state")),
    _guards("a release without the version", "a cancel of a delayed job", release=_VERSION),
    _guards("a retry without the version", "a frozen worker", retry=_VERSION),
    _guards("a give-back without the version", "a frozen worker", give_back=_VERSION),
    _guards("a park without the version", "a pause", park=_VERSION),
    _guards("a wait for a worker without the version", "no worker", await_worker=_VERSION),
    _guards("a defer without the version", "low priority with two dispatchers", defer=_VERSION),
    _guards("a claim of whatever state", "two dispatchers", claim=unguarded("state", "version")),
    _guards("a release of whatever state", "two dispatchers", release=unguarded("state", "version")),
    _guards("a cancel of whatever state", "a cancel", cancel=unguarded("state")),
    _guards("a redrive of whatever state", "a redrive", redrive=unguarded("state")),
    _guards("a new moment in whatever state", "a new moment", reschedule_to_a_moment=unguarded("state")),
    _guards("a retry of a job that shall be cancelled", "a cancel", retry=unguarded("cancel_requested")),
    _guards("a postponement of such a job", "a rate limit", postpone=unguarded("cancel_requested")),
    _guards("a give-back of such a job", "an outage of MongoDB", give_back=unguarded("cancel_requested")),
    # Guards of updates that leave the version alone.
    _guards("far out without the version", "a worker told to end", far_out=unguarded("version", "wake_at")),
    _guards("far out without wake_at", "a full worker", far_out=unguarded("wake_at")),
    _guards(
        "a take-over without wake_at", "two dispatchers", long=True, take_over=unguarded("wake_at", "worker")
    ),
    _guards("a hand-over without the version", "a full worker", hand_over=_VERSION),
    _guards("a job kept without the version", "a full worker", keep_pending=_VERSION),
    # Effects.
    _guards("a claim that leaves wake_at away", "Kafka loses an outcome", claim=unset("wake_at")),
    _guards("a release that leaves wake_at as it was", "low priority", release=unset("wake_at")),
    _guards("a redrive without wake_at", "a redrive", redrive=unset("wake_at")),
    _guards("a later redrive without wake_at", "a redrive", redrive_later=unset("wake_at")),
    _guards("a redrive that keeps the wish to cancel", "a redrive", redrive=kept("cancel_requested")),
    _guards("a redrive that keeps the expiry", "a redrive of an expired job", redrive=kept("expire_by")),
    _guards("a redrive that keeps the end of its retention", "retention", redrive=kept("expire_at")),
    _guards("a republish that does not move wake_at past expiry", "expiry", republish=uncapped),
    _guards("a far wake_at beyond expiry", "expiry", far_out=uncapped),
    _guards("a retry beyond expiry", "expiry", retry=uncapped),
    _guards("a park beyond expiry", "a pause of a delayed job", park=uncapped),
    _guards("a wait for a worker beyond expiry", "no worker for a low job", await_worker=uncapped),
    _guards("a retry that burns nothing", "crashes", retry=unset("failures")),
    _guards("an end that keeps wake_at", "crashes", succeed=kept("wake_at")),
    _guards("a cancel that keeps wake_at", "a cancel", cancel=kept("wake_at")),
    # What actors do.
    _rule("claimed, then committed", "crashes"),
    _rule("dispatchers republish", "crashes", long=True),
    _rule("results are stored first", "crashes"),
    _rule("letters are stored first", "crashes", long=True),
    _rule("leases count", "a frozen worker"),
    _rule("a lapsed lease stays lapsed", "a frozen worker"),
    _rule("results are kept by version", "a frozen worker", long=True),
    _rule("outcomes are applied first", "a frozen worker"),
    _rule("ended, then given back", "a worker told to end"),
    _rule("a stalled job is taken over", "two dispatchers", long=True),
    _rule("events are built from what is stored", "two dispatchers"),
    _rule("the dead are judged late", "an outage of MongoDB"),
    _rule("claims are journaled", "a crash of mongod"),
    _rule("dispatchers expire", "expiry", long=True),
    _rule("dispatchers release resumed", "a pause", long=True),
    _rule("dispatchers release as probe", "the brake", long=True),
    _rule("probes are told apart", "the brake", long=True),
    _rule("dispatchers release low", "low priority", long=True),
    _rule("dispatchers release served", "no worker", long=True),
    _rule("dispatchers release", "a cancel of a delayed job"),
    _rule("what lives cannot be deleted", "a delete"),
    # Safeties that stand behind one another: only both together are missed.
    _rule("a new id at each start", "crashes", claim=unset("wake_at")),
)
