"""Every way of writing an address that must not be called, known from attacks on other services."""

from ipaddress import ip_address

import httpcore
import pytest

from job_worker.outbound import BadUrlError, OutboundRefusedError, Policy, Target
from job_worker.outbound.addresses import Address
from job_worker.outbound.transport import GuardedBackend

NAMES = {
    "localhost": ["::1", "127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "metadata.google.internal": ["169.254.169.254"],
    "kubernetes.default.svc": ["10.96.0.1"],
    "intranet": ["192.168.1.10"],
    "half-public.example": ["93.184.216.34", "10.0.0.7"],
    "v6-mapped.example": ["::ffff:127.0.0.1"],
    "xn--lcalhost-54a.example": ["127.0.0.1"],
}
"""What the resolver of these tests knows."""

REFUSED = (
    # IPv4, plain
    "http://127.0.0.1/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/metadata",
    "http://192.0.0.192/opc/v1/instance/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    # IPv4 in numbers of other bases and lengths
    "http://0/",
    "http://127.1/",
    "http://127.0.1/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0X7F.1/",
    "http://0x7f.1/",
    "http://00000177.1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xA9.0xFE.0xA9.0xFE/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://425.510.425.510/",
    "http://256.256.256.256/",
    "http://4294967296/",
    "http://127.0.0.1.1/",
    "http://1.1.1.1.0x7f/",
    "http://0x/",
    # IPv6
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000::0001]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:0:169.254.169.254]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[2002:7f00:1::]/",
    "http://[2001::1]/",
    "http://[2001:0:53aa:64c:0:3f57:5601:5601]/",
    "http://[2001:db8::1]/",
    "http://[2606:2800:220:1:0:5efe:127.0.0.1]/",
    "http://[2606:2800:220:1:200:5efe:a9fe:a9fe]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[::1/",
    "http://[127.0.0.1]/",
    # names
    *(f"http://{name}/" for name in NAMES),
    "http://LOCALHOST/",
    "http://localhost./",
    "http://127.0.0.1./",
    "http://example.org./",
    "http://.example.org/",
    "http://example..org/",
    # letters that become others: full-width, circled, ideographic full stop, dotless i, soft hyphen
    "http://１２７.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://127。0。0。1/",
    "http://lo\u00adcalhost/",
    "http://ⅼocalhost/",
    "http://example.org\uff0f@127.0.0.1/",
    # percent signs in the host
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%2f@example.org/",
    "http://localhost%00.example.org/",
    "http://%6c%6f%63%61%6c%68%6f%73%74/",
    # where two parsers see two hosts
    "http://example.org@127.0.0.1/",
    "http://127.0.0.1@example.org/",
    "http://user:password@example.org/",
    "http://example.org:80@127.0.0.1/",
    "http://127.0.0.1:80\\@example.org/",
    "http://example.org\\@127.0.0.1/",
    "http:\\\\127.0.0.1/",
    "http://example.org#@127.0.0.1/",
    "http://127.0.0.1#.example.org/",
    "http://example.org /",
    "http://exa\tmple.org/",
    "http://127.0.0.1\r\nHost: example.org/",
    "http://127.0.0.1\x00.example.org/",
    " http://example.org/",
    "http:///127.0.0.1/",
    "http:127.0.0.1/",
    "//127.0.0.1/",
    "http://[::1].example.org/",
    "http://example.org,127.0.0.1/",
    # ports
    "http://example.org:22/",
    "http://example.org:6379/",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:080/",
    "http://example.org:/",
    "http://example.org:-80/",
    "http://example.org:80:80/",
    "http://example.org:٨٠/",
    # schemes
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "ftp://example.org/",
    "dict://127.0.0.1:11211/",
    "javascript:alert(1)",
    "data:text/plain,x",
    "jar:http://127.0.0.1!/",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "",
)  # fmt: skip


class Wire(httpcore.AsyncNetworkBackend):
    """A network that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append((host, port))
        return httpcore.AsyncMockStream([])


async def resolve(host: str) -> list[Address]:
    return [ip_address(text) for text in NAMES.get(host, ["93.184.216.34"])]


async def called(url: str, wire: Wire, policy: Policy | None = None) -> None:
    target = Target.of(url)
    await GuardedBackend(policy or Policy(), resolve=resolve, network=wire).connect_tcp(
        target.host, target.port
    )


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 60


@pytest.mark.parametrize("url", REFUSED)
async def test_what_leads_or_might_lead_inside_is_refused_before_anything_is_connected(url: str) -> None:
    wire = Wire()
    with pytest.raises((BadUrlError, OutboundRefusedError)) as caught:
        await called(url, wire)
    assert wire.asked == []
    assert url == "" or url not in str(caught.value), "whoever reads errors need not see what stands in URLs"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://example.org/path?q=%2f", ("93.184.216.34", 443)),
        ("HTTP://Example.ORG:443", ("93.184.216.34", 443)),
        ("http://93.184.216.34/", ("93.184.216.34", 80)),
        ("http://[2606:2800:220:1:248:1893:25c8:1946]:80/", ("2606:2800:220:1:248:1893:25c8:1946", 80)),
        ("http://xn--bcher-kva.example/a:b@c", ("93.184.216.34", 80)),
        ("http://1.2.3.4.example/", ("93.184.216.34", 80)),
        ("http://172.32.0.1/", ("172.32.0.1", 80)),
        ("http://100.128.0.1/", ("100.128.0.1", 80)),
    ],
)
async def test_what_is_public_is_called_at_its_address(url: str, where: tuple[str, int]) -> None:
    wire = Wire()
    await called(url, wire)
    assert wire.asked == [where]


async def test_a_refusal_tells_the_kind_of_address_and_not_which_it_is() -> None:
    with pytest.raises(OutboundRefusedError) as caught:
        await called("http://kubernetes.default.svc/", Wire())
    assert str(caught.value) == "kubernetes.default.svc may not be called: it is at a private address"
