"""CPU time of the processes under test, as the kernel counts it."""

from collections.abc import Mapping

import psutil


def seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU seconds each process has used so far, user and system, all its threads."""
    used = {}
    for name, pid in processes.items():
        times = psutil.Process(pid).cpu_times()
        used[name] = times.user + times.system + times.children_user + times.children_system
    return used


def per_job(before: Mapping[str, float], after: Mapping[str, float], jobs: int) -> dict[str, int]:
    """Return microseconds of CPU for each job.

    >>> per_job({"api": 1.0}, {"api": 1.5}, 1000)
    {'api': 500}
    """
    return {name: round((after[name] - before[name]) / max(jobs, 1) * 1e6) for name in after}
