"""Who may be called: public addresses at the usual ports, and what an operator allows besides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, Self

from job_worker.outbound.addresses import Address, Network, range_of
from job_worker.outbound.target import BadUrlError, host_of

USUAL_PORTS: Final = frozenset({80, 443})


class OutboundRefusedError(Exception):
    """The address may not be called; the text tells what kind of address it is, not which one."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of an allow-list: a name or a range of addresses, with its ports.

    A range means all its addresses. A name may lead to a public address or into one's own
    network, but not to where no service is, such as link-local addresses: whoever can change
    what a name leads to shall not reach the credentials of the machine.

    Parameters
    ----------
    ports
        None: every port.
    """

    host: str | Network
    ports: frozenset[int] | None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read `host`, `host:port`, `10.0.0.0/8:port`, `[fd00::/8]:port`; `*` is every port, none the usual ones.

        Raises
        ------
        ValueError
            It is none of these.

        >>> Allowed.of("10.0.0.0/8:8080")
        Allowed(host=IPv4Network('10.0.0.0/8'), ports=frozenset({8080}))
        >>> Allowed.of("billing.internal")
        Allowed(host='billing.internal', ports=frozenset({80, 443}))
        """
        entry = text.strip()
        head, colon, tail = entry.rpartition(":")
        try:
            if not colon or tail.endswith("]"):
                return cls(_host(entry), USUAL_PORTS)
            return cls(_host(head), _ports(tail))
        except (ValueError, BadUrlError):
            raise ValueError(f"{entry!r} is no host, address or range with a port") from None

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether this entry alone is reason enough to call."""
        if self.ports is not None and port not in self.ports:
            return False
        if isinstance(self.host, str):
            known = range_of(address)
            return self.host == host and (known is None or known.internal)
        return address.version == self.host.version and address in self.host


def _host(text: str) -> str | Network:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return ip_network(bare)
    except ValueError:
        return host_of(bare)


def _ports(text: str) -> frozenset[int] | None:
    if text == "*":
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 65_535):
        raise ValueError(text)
    return frozenset({int(text)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may be called.

    Parameters
    ----------
    allowed
        May be called besides.
    public
        Whether every public address may be called; if not, `allowed` alone.
    """

    allowed: Sequence[Allowed] = field(default=())
    public: bool = True

    def judge(self, host: str, port: int, address: Address) -> None:
        """Say nothing if this address may be called for this host.

        Raises
        ------
        OutboundRefusedError
            It may not.
        """
        if any(entry.covers(host, port, address) for entry in self.allowed):
            return
        if (known := range_of(address)) is not None:
            raise OutboundRefusedError(f"{host} may not be called: it is at {known.what}")
        if not self.public:
            raise OutboundRefusedError(f"{host}, port {port}, may not be called: it is on no list")
        if port not in USUAL_PORTS:
            raise OutboundRefusedError(f"{host} may not be called at port {port}: only 80 and 443 may")
