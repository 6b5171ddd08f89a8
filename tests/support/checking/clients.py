"""I8: one key, one job, whatever was answered in between."""

from collections import Counter, defaultdict

from tests.support.checking.evidence import Evidence, Findings


def check_clients(evidence: Evidence, found: Findings) -> None:
    """Look at what clients were told, and at the keys in MongoDB."""
    answered: dict[str, set[str]] = defaultdict(set)
    for post in evidence.posts:
        if post.key is not None and post.job is not None:
            answered[post.key].add(post.job)
    stored: dict[str, set[str]] = defaultdict(set)
    for job, record in evidence.stored.items():
        if key := (record.get("idempotency") or {}).get("key"):
            stored[key].add(job)
    for key in answered.keys() | stored.keys():
        jobs = answered[key] | stored[key]
        found.expect(len(jobs) == 1, f"I8: key {key} made {len(jobs)} jobs: {sorted(jobs)}")
    tries = Counter(post.key for post in evidence.posts if post.key is not None)
    found.counted |= {
        "posts": len(evidence.posts),
        "accepted": len(evidence.accepted),
        "repeated posts": sum(n - 1 for n in tries.values()),
        "not accepted": dict(Counter(str(p.status) for p in evidence.posts if p.job is None)),
    }
