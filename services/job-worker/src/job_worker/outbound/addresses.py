"""Which addresses are those of the public Internet, and what the others are.

From the IANA registries of special-purpose addresses (RFC 6890 and its updates). Of IPv6
only global unicast, 2000::/3, can be public at all; ranges inside it that carry another
address (6to4, Teredo, ISATAP) or belong to nobody are named here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses that are not public.

    Parameters
    ----------
    what
        What they are, for a person to read.
    internal
        Whether a service of one's own may be there; nobody offers services at the others.
    """

    network: Network
    what: str
    internal: bool = False


def _ranges(what: str, *networks: str, internal: bool = False) -> tuple[Range, ...]:
    return tuple(Range(ip_network(network), what, internal) for network in networks)


RANGES: Final[tuple[Range, ...]] = (
    # Before what it lies in: the first that matches gives its name.
    *_ranges("the address of a cloud's own service", "169.254.169.254/32", "100.100.100.200/32"),
    *_ranges("the address of a cloud's own service", "192.0.0.192/32", "168.63.129.16/32"),
    *_ranges("the address of a cloud's own service", "fd00:ec2::/32", "fd20:ce::254/128"),
    *_ranges("an unspecified address", "0.0.0.0/8", "::/128"),
    *_ranges("a loopback address", "127.0.0.0/8", "::1/128", internal=True),
    *_ranges("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", internal=True),
    *_ranges("a private address", "fc00::/7", internal=True),
    *_ranges("an address shared behind a carrier's NAT", "100.64.0.0/10", internal=True),
    *_ranges("a link-local address", "169.254.0.0/16", "fe80::/10"),
    *_ranges("a multicast address", "224.0.0.0/4", "ff00::/8"),
    *_ranges("a reserved address", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001::/23"),
    *_ranges("an address for documentation", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_ranges("an address for documentation", "2001:db8::/32", "3fff::/20"),
    *_ranges("an address for measurements", "198.18.0.0/15"),
    *_ranges("an address that carries another one", "::ffff:0:0/96", "::ffff:0:0:0/96", "::/96"),
    *_ranges("an address that carries another one", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16"),
)
"""All that is not public, apart from IPv6 outside global unicast."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_ELSEWHERE: Final = Range(IPv6Network("::/0"), "not a public address")
_ISATAP: Final = Range(_GLOBAL_UNICAST, "an address that carries another one")
_ISATAP_MARKS: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})


def range_of(address: Address) -> Range | None:
    """Return what kind of address it is, or None if it is a public one.

    >>> range_of(IPv4Address("169.254.169.254")).what
    "the address of a cloud's own service"
    >>> range_of(IPv6Address("2002:a9fe:a9fe::")).what
    'an address that carries another one'
    >>> range_of(IPv4Address("93.184.216.34"))
    """
    for known in RANGES:
        if address.version == known.network.version and address in known.network:
            return known
    if isinstance(address, IPv6Address):
        if address not in _GLOBAL_UNICAST:
            return _ELSEWHERE
        # RFC 5214, 6.1: the upper half of such an interface identifier.
        if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP_MARKS:
            return _ISATAP
    return None
