"""Who an origin is to us and we to it: the way there, the headers that every request carries, the connections kept.

Proxies come from the environment, as `go` takes them (HTTP_PROXY, HTTPS_PROXY, NO_PROXY with names, addresses and
ranges of addresses); what is on this machine is never asked through one. Used by http.py. Authority:
golang.org/x/net/http/httpproxy.
"""

import collections
import ipaddress
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from gopherwood import __version__, credentials, reach, wire
from gopherwood.credentials import redact
from gopherwood.errors import ConfigError
from gopherwood.reach import Reach

URL = re.compile(
    r"(?P<base>(?P<scheme>https?)://(?:(?P<user>[^/?#@]*)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?)"
    r"(?P<target>[/?][!-~]*)?",
    re.ASCII,
)
"""An http or https URL without a fragment; nothing in it can end a line of a request."""


class Proxy(NamedTuple):
    """A proxy on the way."""

    host: str
    port: int
    headers: dict[str, str]


@dataclass(slots=True)
class Endpoint:
    """Scheme, host and port, with the connections to it that nobody uses now (the last used on top)."""

    scheme: str
    host: str
    port: int | None
    timeout: float
    proxy: Proxy | None
    prefix: bytes
    """The request line up to the target."""
    tail: bytes
    """The rest of the request: version and headers."""
    idle: collections.deque[wire.Connection] = field(default_factory=collections.deque)
    not_before: float = 0.0
    """Until when (of the monotonic clock) nobody asks, for one reply asked us to wait."""

    @classmethod
    def of(cls, url: re.Match[str], proxies: Mapping[str, str], timeout: float) -> Self:
        """Return the endpoint of a URL that `URL` matched; `timeout` is in seconds.

        Raises ConfigError when the URL's credentials would travel unencrypted, or a proxy cannot be used.
        """
        scheme, host, port = url["scheme"], url["host"], int(url["port"]) if url["port"] else None
        at = f"{host}:{port}" if port else host
        headers = {"Host": at, "User-Agent": f"gopherwood/{__version__}", "Accept-Encoding": "identity"}
        if credential := credentials.authorization(scheme, url["user"], host.strip("[]")):
            headers["Authorization"] = credential
        proxy = None if is_direct(host.strip("[]"), at, proxies.get("no", "")) else parse_proxy(proxies.get(scheme, ""))
        prefix = "GET "
        if proxy and scheme == "http":
            prefix += f"http://{at}"
            headers |= proxy.headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        tail = f" HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        return cls(scheme, host.strip("[]"), port, timeout, proxy, prefix.encode(), tail)

    def request(self, target: str) -> bytes:
        """Return the bytes of a GET of a target."""
        return self.prefix + (target if target[0] == "/" else f"/{target}").encode("ascii") + self.tail

    def request_with_body(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the bytes of a POST, or of another request with headers of its own.

        Raises ValueError for a header that would end its line.
        """
        given = {**headers, "Content-Length": str(len(body))}
        if any(char in "\r\n" for pair in given.items() for text in pair for char in text):
            raise ValueError("a header of more than one line")
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items()).encode("latin-1")
        get = self.request(target)
        return method.encode() + get.removeprefix(b"GET").removesuffix(b"\r\n") + lines + b"\r\n" + body

    def connection(self, allowed: Reach | None = None) -> wire.Connection:
        """Return a kept connection, else a new one; `allowed` is how near a redirect may lead.

        Raises UpstreamError when there is no way, RefusedError when it is too near.
        """
        try:
            connection = self.idle.pop()
        except IndexError:
            if allowed is not None:
                self._check_way(allowed)
            connection = self._connect()
        if allowed is not None and (met := self.reach_of(connection)) > allowed:
            connection.close()
            reach.check(self.host, met, allowed)
        return connection

    def _check_way(self, allowed: Reach) -> None:
        if self.proxy:
            reach.check(self.host, reach.of_name(self.host), allowed)
        else:
            reach.check_name(self.host, self.port or 0, allowed)

    def reach_of(self, connection: wire.Connection) -> Reach:
        """Return how near the origin is: by a connection to it or, behind a proxy, by its name."""
        return reach.of_name(self.host) if self.proxy else connection.reach

    def _connect(self) -> wire.Connection:
        if self.proxy is None:
            return wire.connect(self.scheme, self.host, self.port, timeout=self.timeout)
        if self.scheme == "https":
            return wire.connect("https", self.host, self.port, timeout=self.timeout, tunnel=self.proxy)
        return wire.connect("http", self.proxy.host, self.proxy.port, timeout=self.timeout)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self.idle:
            self.idle.pop().close()


def is_direct(host: str, at: str, no_proxy: str) -> bool:
    """Tell whether a host is asked without a proxy; `at` is the host as a URL names it, with its port if it has one."""
    if credentials.is_loopback(host) or urllib.request.proxy_bypass(at):
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(ip in network for network in _networks(no_proxy))


@lru_cache(maxsize=4)
def _networks(no_proxy: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the ranges of a NO_PROXY list, which the standard library does not know."""
    networks = []
    for word in no_proxy.split(","):
        try:
            networks += [ipaddress.ip_network(word.strip(), strict=False)] if "/" in word else []
        except ValueError:
            continue  # as go: a word that is no range may be anything
    return networks


def parse_proxy(url: str) -> Proxy | None:
    """Return the proxy that the environment names by a URL; None for no URL. Raises ConfigError."""
    if not url:
        return None
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        raise ConfigError(f"not a proxy's URL: {redact(url)}", hint="name a proxy as http://host:port") from None
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"a proxy of this kind is not supported: {redact(url)}", hint="name one as http://host:port")
    headers = {}
    if parts.username:
        headers["Proxy-Authorization"] = credentials.basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(parts.hostname, port, headers)
