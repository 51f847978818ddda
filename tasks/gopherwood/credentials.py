"""Who we are to an upstream: credentials from the URL itself or from netrc, and how to keep them out of every log.

As `go` does it, credentials travel over https only; the loopback interface is the one exception, for mirrors that run
beside us. The file is $NETRC, else ~/.netrc. Authority: cmd/go/internal/auth.
"""

import base64
import ipaddress
import os
import re
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from gopherwood.errors import ConfigError

_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
"""Up to the last @: a password may hold one."""


def redact(text: str) -> str:
    """Return `text`, a URL or a message that may hold some, with user names and passwords replaced."""
    return _USERINFO.sub("xxxxx@", text)


def authorization(scheme: str, userinfo: str | None, host: str) -> str | None:
    """Return the Authorization header for an origin, or None.

    Raises ConfigError when a URL asks to send its credentials where others can read them.
    """
    safe = scheme == "https" or is_loopback(host)
    if userinfo:
        if not safe:
            raise ConfigError(f"refusing to send credentials to {host} unencrypted", hint="use an https URL")
        user, _, password = userinfo.partition(":")
        return basic(unquote(user), unquote(password))
    if safe and (found := _netrc().get(host)):
        return basic(*found)
    return None


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header of the Basic scheme."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def is_loopback(host: str) -> bool:
    """Tell whether a host, as a URL names it, is this machine by its own loopback interface."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _netrc() -> dict[str, tuple[str, str]]:
    path = Path(os.environ.get("NETRC") or Path("~/.netrc").expanduser())
    try:
        text = path.read_text("utf-8", errors="surrogateescape")
    except OSError:
        return {}
    return parse_netrc(text)


@lru_cache(maxsize=4)
def parse_netrc(text: str) -> dict[str, tuple[str, str]]:
    """Return login and password by machine; the first entry of a machine wins.

    As lenient as `go`, which the standard library's parser is not: one odd line there loses the whole file.
    """
    found: dict[str, tuple[str, str]] = {}
    machine = login = password = ""
    in_macro = False
    for line in text.splitlines():
        if in_macro:
            in_macro = bool(line.strip())
            continue
        words = line.split()
        for name, value in zip(words[::2], words[1::2], strict=False):
            if name == "machine":
                machine, login, password = value, "", ""
            elif name == "login":
                login = value
            elif name == "password":
                password = value
            elif name == "macdef":
                in_macro = True
            if machine and login and password:
                found.setdefault(machine, (login, password))
                machine = login = password = ""
        if len(words) % 2 and words[-1] == "default":
            break
    return found
