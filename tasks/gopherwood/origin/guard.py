"""Where git may be sent: over https or git://, to public addresses, and nowhere a reply sends it after that.

An origin is what an upstream, a web page or a module's own path says, so it is no more trusted than they are. Its host
is resolved here, every address is judged as that of a redirect is (reach.py), and git gets the addresses with the
command line, so that the name cannot mean another when git connects. Redirects it never follows (remote.py does, each
judged anew). Two things widen this: a path that the user's GOPRIVATE names may lead to his own network, and a URL that
his git configuration rewrites (`url.<base>.insteadOf`) is his own word.
"""

import urllib.request
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from gopherwood import endpoint, reach
from gopherwood.errors import RefusedError
from gopherwood.http import redact
from gopherwood.reach import Reach

SCHEMES = {"https": 443, "git": 9418}
"""What an origin may be asked over, with its port; more only by the user's own git configuration."""
HTTP = {"https": 443, "http": 80}


class Target(NamedTuple):
    """A URL that git may be given, and what it must be given with it."""

    url: str
    scheme: str
    options: tuple[str, ...] = ()
    allowed: Reach = Reach.PUBLIC
    """How near a redirect may lead."""


def trusted(url: str) -> Target:
    """Return the target of a URL that the user's own configuration names: anywhere, over anything.

    A redirect from it may lead outwards. Raises UpstreamError when its host has no address.
    """
    parts = urlsplit(url)
    if parts.scheme not in HTTP or not parts.hostname:
        return Target(url, parts.scheme or "file")
    if _proxied(parts.scheme, parts.hostname):
        return Target(url, parts.scheme, (), reach.after(reach.of_name(parts.hostname)))
    met = min(map(reach.of, reach.check_name(parts.hostname, parts.port or HTTP[parts.scheme], Reach.LINK)))
    return Target(url, parts.scheme, (), reach.after(met))


def target(url: str, allowed: Reach, schemes: Mapping[str, int] = SCHEMES) -> Target:
    """Return the target of a URL that somebody else names.

    Raises RefusedError for a scheme or an address that it must not have, UpstreamError when it has no address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.username is not None or url.startswith("-") or not url.isprintable():
        raise RefusedError(f"not a repository's URL: {redact(url)[:200]!r}")
    if parts.scheme not in schemes:
        raise RefusedError(f"refusing to ask over {parts.scheme}: {redact(url)[:200]}")
    port = port or schemes[parts.scheme]
    if _proxied(parts.scheme, host):
        _judge(url, reach.of_name(host), allowed)
        return Target(url, parts.scheme, (), allowed)
    addresses = []
    for address in reach.check_name(host, port, Reach.LINK):
        _judge(url, reach.of(address), allowed)
        addresses.append(address.partition("%")[0])
    if parts.scheme == "git":
        return Target(url.replace(parts.netloc, f"{_bracketed(addresses[0])}:{port}", 1), "git", (), allowed)
    pin = f"http.curloptResolve={host}:{port}:{','.join(dict.fromkeys(map(_bracketed, addresses)))}"
    return Target(url, parts.scheme, ("-c", pin), allowed)


def _judge(url: str, met: Reach, allowed: Reach) -> None:
    if met > allowed:
        raise RefusedError(
            f"refusing to be sent inwards: {redact(url)[:200]} is at {reach.NAMES[met]}",
            hint="if it is a repository of yours, name its module paths in GOPRIVATE",
        )


def _proxied(scheme: str, host: str) -> bool:
    proxies = urllib.request.getproxies()
    return bool(proxies.get(scheme)) and not endpoint.is_direct(host, host, proxies.get("no", ""))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
