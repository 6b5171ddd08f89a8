"""`python -m tests.model`: every scenario to its last state, then every mutation until it is caught.

A part of a name runs what has it; a broken promise is shown with the steps that lead there.
"""

import sys
from collections.abc import Sequence

from tests.model.exploring import Verdict, explore
from tests.model.mutations import CASES
from tests.model.scenarios import SCENARIOS


def main(words: Sequence[str]) -> int:
    """Print a line for each run; return how many went wrong."""
    wrong = states = caught = 0
    for scenario in SCENARIOS.values():
        if not all(word in scenario.name for word in words):
            continue
        verdict = explore(scenario)
        states += verdict.states
        _say(scenario.name, verdict, verdict.complaint or "holds")
        if verdict.complaint:
            wrong += 1
            print(*(f"    {n:2} {step}" for n, step in enumerate(verdict.trace, 1)), sep="\n", flush=True)
    for mutation, where, _ in CASES:
        if not all(word in mutation.name for word in words):
            continue
        verdict = explore(SCENARIOS[where], mutation)
        _say(f"{mutation.name} ({where})", verdict, verdict.complaint or "NOT CAUGHT")
        wrong += not verdict.complaint
        caught += bool(verdict.complaint)
    print(f"{states} states hold; {caught} mutations caught; {wrong} went wrong")
    return wrong


def _say(name: str, verdict: Verdict, what: str) -> None:
    print(f"{name:75} {verdict.states:8} states {verdict.seconds:6.1f} s  {what}", flush=True)


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1:])))
