"""How near to us an address is, and the rule that follows: a redirect may lead outwards, and never inwards.

Whoever can make an upstream redirect must not make us ask what only we can reach: a service of this machine, of the
network it stands in, or of the cloud that runs it. What a setting names is trusted, loopback included; where a reply
sends us is not. So every hop is judged by the address it has in the end: before the connection is made, and again by
the connection's other end, for a name may resolve differently twice. Used by endpoint.py and http.py.
"""

import ipaddress
import socket
from enum import IntEnum

from gopherwood.errors import RefusedError, UpstreamError


class Reach(IntEnum):
    """Who can reach an address; the higher, the nearer to us."""

    PUBLIC = 0
    """Everybody."""
    INNER = 1
    """Who is in our network: private ranges, carrier NAT, and whatever else the internet does not route."""
    LOOPBACK = 2
    """This machine."""
    LINK = 3
    """This machine and what its link or its cloud offers it: metadata services hand out credentials."""


_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Metadata services of clouds whose address is not link-local; 169.254.169.254 is."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""Not global (RFC 8215), though older Pythons say so."""


def of(address: str) -> Reach:
    """Return the reach of an IP address, looking through the IPv6 forms that hold an IPv4 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inside is None and ip in _NAT64:
            inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        ip = inside or ip
    if ip.is_link_local or ip in _METADATA:
        return Reach.LINK
    if ip.is_loopback or ip.is_unspecified:
        return Reach.LOOPBACK
    return Reach.PUBLIC if ip.is_global and ip not in _LOCAL_NAT64 else Reach.INNER


def of_name(host: str) -> Reach:
    """Return the reach of a host that a proxy connects to: of a name the proxy alone knows the address."""
    try:
        return of(host)
    except ValueError:
        return Reach.LOOPBACK if host == "localhost" or host.endswith(".localhost") else Reach.PUBLIC


def after(met: Reach) -> Reach:
    """Return the nearest address that a redirect may lead to after one of reach `met`."""
    return min(met, Reach.LOOPBACK)


def check(host: str, met: Reach, allowed: Reach) -> None:
    """Raise RefusedError when a host is nearer to us than a redirect may lead."""
    if met > allowed:
        raise RefusedError(f"refusing a redirect inwards: {host} is {NAMES[met]}")


def check_name(host: str, port: int, allowed: Reach) -> list[str]:
    """Return the addresses of a host.

    Raises RefusedError when any of them is nearer than allowed, UpstreamError when there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UpstreamError(f"cannot find {host}: {error}") from None
    addresses = [str(address[0]) for *_, address in found]
    for address in addresses:
        check(host, of(address), allowed)
    return addresses


NAMES = {
    Reach.PUBLIC: "a public address",
    Reach.INNER: "an inner address",
    Reach.LOOPBACK: "this machine",
    Reach.LINK: "an address of this machine's link or of its cloud's metadata service",
}
