"""Who an origin is to us and we to it: the way there, the headers that every request carries, the connections kept.

Proxies come from the environment, as other programs take them (HTTP_PROXY, HTTPS_PROXY, NO_PROXY). Used by http.py.
"""

import collections
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from gopherwood import __version__, credentials, wire
from gopherwood.credentials import redact
from gopherwood.errors import ConfigError

URL = re.compile(
    r"(?P<base>(?P<scheme>https?)://(?:(?P<user>[^/?#@]*)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^/?#:@\[\]\s]+)(?::(?P<port>\d+))?)"
    r"(?P<target>[/?][!-~]*)?"
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
        proxy = None if urllib.request.proxy_bypass(at) else parse_proxy(proxies.get(scheme, ""))
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

    def connection(self) -> wire.Connection:
        """Return a kept connection, else a new one. Raises UpstreamError when there is no way."""
        try:
            return self.idle.pop()
        except IndexError:
            pass
        if self.proxy is None:
            return wire.connect(self.scheme, self.host, self.port, timeout=self.timeout)
        if self.scheme == "https":
            return wire.connect("https", self.host, self.port, timeout=self.timeout, tunnel=self.proxy)
        return wire.connect("http", self.proxy.host, self.proxy.port, timeout=self.timeout)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self.idle:
            self.idle.pop().close()


def parse_proxy(url: str) -> Proxy | None:
    """Return the proxy that the environment names by a URL; None for no URL. Raises ConfigError."""
    if not url:
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError(f"a proxy of this kind is not supported: {redact(url)}", hint="name one as http://host:port")
    headers = {}
    if parts.username:
        headers["Proxy-Authorization"] = credentials.basic(unquote(parts.username), unquote(parts.password or ""))
    return Proxy(parts.hostname, parts.port or 80, headers)
