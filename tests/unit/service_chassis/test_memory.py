"""What a burst of large blocks leaves behind."""

import platform
import subprocess
import sys
from typing import Final

import pytest

_BURST: Final = """
import psutil
from service_chassis.memory import give_back_memory

if {give_back}:
    assert give_back_memory()
held = lambda: psutil.Process().memory_info().rss
before = held()
large, small = 1024 * 1024, 1024
b"x" * (30 * large)  # from which the allocator learns that such blocks come again
burst, kept = [], []
for _ in range(40):
    burst.append(b"x" * large)
    kept.append(b"x" * small)  # what lives on among what does not
burst.clear()
print(held() - before)
"""


def _left_by_a_burst(*, give_back: bool) -> int:
    command = [sys.executable, "-c", _BURST.format(give_back=give_back)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator, which is left as it is")
def test_the_memory_of_a_burst_goes_back_to_the_system() -> None:
    usual, ours = _left_by_a_burst(give_back=False), _left_by_a_burst(give_back=True)
    assert usual > 30 * 2**20, "the allocator keeps it, or there is nothing to show"
    assert ours < usual / 5
