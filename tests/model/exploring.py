"""Every state that can be reached, breadth first; then whether each can still come to an end."""

import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from job_contracts.lifecycle import FINAL, JobState, Role
from tests.model import dispatchers, people, recorders, workers, world
from tests.model.properties import hold
from tests.model.state import Budget, Dispatcher, State, Worker, canonical
from tests.model.truth import BrokenError, Truth, Twist
from tests.model.turn import Rules, Turn

_ACTORS = (people.steps, world.steps, workers.steps, dispatchers.steps, recorders.steps)


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a job begins, and which faults and acts may befall it."""

    name: str
    budget: Budget
    begins: str = "pending"
    expires: bool = False
    workers: int = 2
    dispatchers: int = 1
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mutation:
    """Rules that are off, and guards that are taken away from builders."""

    name: str
    off: frozenset[str] = frozenset()
    twists: Mapping[str, Twist] = field(default_factory=dict)


NONE = Mutation("none")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an exploration has found."""

    states: int
    seconds: float
    complaint: str = ""
    trace: tuple[str, ...] = ()
    made: frozenset[tuple[str, Role]] = frozenset()
    """Updates that matched somewhere, and who made them."""


class _Graph:
    """States by number, and the fair arrows between them, backwards."""

    def __init__(self, first: State) -> None:
        self.numbers = {first: 0}
        self.states = [first]
        self._parents, self._labels = array("i", [-1]), [""]
        self._sources, self._targets = array("i"), array("i")
        self._parts: list[dict[Any, Any]] = [{} for _ in first]

    def add(self, state: State, parent: int, label: str) -> int:
        number = self.numbers.get(state)
        if number is None:
            number = len(self.states)
            # Most states differ in a part or two: what is alike is kept once.
            state = State._make(known.setdefault(p, p) for known, p in zip(self._parts, state, strict=True))
            self.numbers[state] = number
            self.states.append(state)
            self._parents.append(parent)
            self._labels.append(label)
        return number

    def fair(self, source: int, target: int) -> None:
        if source != target:
            self._sources.append(source)
            self._targets.append(target)

    def trace(self, number: int, *more: str) -> tuple[str, ...]:
        labels = list(reversed(more))
        while number:
            labels.append(self._labels[number])
            number = self._parents[number]
        return tuple(reversed(labels))

    def trapped(self, is_goal: Callable[[State], bool]) -> int | None:
        """Return the first state from which no fair path leads to a goal."""
        count = len(self.states)
        head, following = array("i", [-1]) * count, array("i", [-1]) * len(self._sources)
        for edge, target in enumerate(self._targets):
            following[edge], head[target] = head[target], edge
        todo = [n for n, state in enumerate(self.states) if is_goal(state)]
        good = bytearray(count)
        for n in todo:
            good[n] = 1
        while todo:
            edge = head[todo.pop()]
            while edge >= 0:
                source = self._sources[edge]
                if not good[source]:
                    good[source] = 1
                    todo.append(source)
                edge = following[edge]
        bad = good.find(0)
        return None if bad < 0 else bad


def explore(scenario: Scenario, mutation: Mutation = NONE) -> Verdict:
    """Look at every state the scenario can reach; stop at the first broken promise."""
    began = time.monotonic()
    rules, truth = Rules(mutation.off), Truth(mutation.twists)
    graph = _Graph(_first(scenario))
    number = 0
    while number < len(graph.states):
        turn = Turn(graph.states[number], rules, truth, scenario.options)
        try:
            for steps in _ACTORS:
                steps(turn)
        except BrokenError as broken:
            return Verdict(len(graph.states), time.monotonic() - began, str(broken), graph.trace(number))
        for arrow in turn.arrows:
            try:
                hold(turn, arrow)
            except BrokenError as broken:
                trace = graph.trace(number, arrow.label)
                return Verdict(len(graph.states), time.monotonic() - began, str(broken), trace)
            target = graph.add(canonical(arrow.state), number, arrow.label)
            if arrow.fair:
                graph.fair(number, target)
        number += 1
    trap = graph.trapped(_is_ended)
    if trap is None:
        return Verdict(len(graph.states), time.monotonic() - began, made=truth.made)
    job = graph.states[trap].job
    stuck = (
        f"trapped: no fair path to an end from {job.state} {job.reason}, wake_at {job.wake}" if job else ""
    )
    return Verdict(len(graph.states), time.monotonic() - began, stuck, graph.trace(trap))


def _first(scenario: Scenario) -> State:
    empty = State(
        None,
        scenario.budget,
        workers=(Worker(),) * scenario.workers,
        dispatchers=(Dispatcher(),) * scenario.dispatchers,
    )
    return canonical(people.begins(empty, scenario.begins, expires=scenario.expires))


def _is_ended(state: State) -> bool:
    return state.job is None or JobState(state.job.state) in FINAL
