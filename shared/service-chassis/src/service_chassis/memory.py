"""What a process keeps of the memory it no longer needs."""

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""Numbers of malloc.h (glibc)."""

_BLOCK: Final = 1024 * 1024
"""From this size on a block goes back by itself. Smaller ones come and go with each group of jobs, and what is had
anew is filled with zeros first.
"""

_TOP: Final = 2 * 1024 * 1024
"""What may stay free at the end of the heap."""


def give_back_memory() -> bool:
    """Have the allocator return what is free to the system; false where it is not glibc's, which is left as it is.

    By itself glibc learns from each large block that is freed to keep such blocks, and has a heap for every
    thread. A service whose bodies and batches come in bursts then stays as large as the largest of them.
    """
    allocator = ctypes.CDLL(None)
    if not hasattr(allocator, "gnu_get_libc_version"):
        return False
    limits = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _BLOCK), (_M_TRIM_THRESHOLD, _TOP))
    return all(allocator.mallopt(option, value) for option, value in limits)
