"""Tasks that a worker has installed and cannot run: said by `make up`, which goes on without them."""

from collections.abc import Callable, Iterable
from typing import Final

import httpx

from jobstream_local.sample import JOB

_SAMPLE: Final = str(JOB["task"])


def tell(probes: Iterable[str], say: Callable[[str], None]) -> bool:
    """Say what the workers behind these `/readyz` cannot run; whether the sample's task is among it."""
    reasons: set[str] = set()
    for probe in probes:
        try:
            checks = httpx.get(probe, timeout=5, trust_env=False).json()["checks"]
            if not checks["tasks"]["ok"]:
                reasons |= set(checks["tasks"]["reason"].split("; "))
        except (httpx.HTTPError, ValueError, KeyError) as error:
            say(f"{probe} does not say which tasks it runs: {type(error).__name__}")
    for reason in sorted(reasons):
        say(f"task unavailable, and tried again: {reason}")
    # What cannot be imported is known by the name of its entry point alone.
    return any(reason.startswith((f"{_SAMPLE}:", f"{_SAMPLE.replace('.', '-')}:")) for reason in reasons)
