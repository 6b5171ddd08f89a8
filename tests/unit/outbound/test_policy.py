"""What an operator's allow-list opens, and what it leaves closed."""

from ipaddress import ip_address

import pytest

from job_worker.outbound import Allowed, OutboundRefusedError, Policy


def judged(policy: Policy, host: str, port: int, address: str) -> bool:
    try:
        policy.judge(host, port, ip_address(address))
    except OutboundRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    ("entry", "yes", "no"),
    [
        (
            "billing.internal:8080",
            ("billing.internal", 8080, "10.1.2.3"),
            ("billing.internal", 80, "10.1.2.3"),
        ),
        ("billing.internal", ("billing.internal", 443, "10.1.2.3"), ("billing.internal", 8080, "10.1.2.3")),
        ("Billing.Internal", ("billing.internal", 443, "10.1.2.3"), ("other.internal", 443, "10.1.2.3")),
        ("billing.internal", ("billing.internal", 443, "fd00::7"), ("x.billing.internal", 443, "fd00::7")),
        (
            "public.example:8443",
            ("public.example", 8443, "93.184.216.34"),
            ("b.example", 8443, "93.184.216.34"),
        ),
        (
            "billing.internal",
            ("billing.internal", 80, "127.0.0.1"),
            ("billing.internal", 80, "169.254.169.254"),
        ),
        ("billing.internal:*", ("billing.internal", 1, "10.0.0.1"), ("billing.internal", 1, "169.254.7.7")),
        ("billing.internal", ("billing.internal", 80, "100.64.0.1"), ("billing.internal", 80, "0.0.0.0")),
        ("10.1.0.0/16:443", ("any.name", 443, "10.1.2.3"), ("any.name", 443, "10.2.0.1")),
        ("127.0.0.1:*", ("127.0.0.1", 39_123, "127.0.0.1"), ("127.0.0.2", 39_123, "127.0.0.2")),
        ("127.0.0.1:80", ("127.0.0.1", 80, "127.0.0.1"), ("x.example", 80, "::ffff:127.0.0.1")),
        ("[fd00::/8]:8080", ("svc", 8080, "fd00::1"), ("svc", 8080, "fc00::1")),
        ("[::1]", ("::1", 80, "::1"), ("::1", 8080, "::1")),
        ("[fd12::/16]", ("svc", 443, "fd12::1"), ("svc", 443, "fd13::1")),
    ],
)
def test_an_entry_opens_exactly_what_it_names(
    entry: str, yes: tuple[str, int, str], no: tuple[str, int, str]
) -> None:
    policy = Policy(allowed=[Allowed.of(entry)])
    assert judged(policy, *yes)
    assert not judged(policy, *no)


@pytest.mark.parametrize(
    "entry",
    [
        *("", ":80", "host:", "host:0", "host:65536", "host:x", "10.0.0.1/8", "10.0.0/8", "a b", "*"),
        *("http://a", "a/b", "[::1", "1.2.3", "::1", "fd12::/16"),
    ],
)
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="is no host, address or range"):
        Allowed.of(entry)


def test_without_the_public_addresses_only_the_list_is_left() -> None:
    policy = Policy(allowed=[Allowed.of("api.example.org")], public=False)
    assert judged(policy, "api.example.org", 443, "93.184.216.34")
    assert not judged(policy, "other.example.org", 443, "93.184.216.34")
    assert not judged(policy, "api.example.org", 443, "169.254.169.254")
