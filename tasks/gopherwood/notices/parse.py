"""The file of sinks and routes (TOML), checked to the last key: an error names line and key, and what may be there.

Nothing secret stands in it: a secret is `env:NAME`, a variable of the environment, or `file:PATH`. Both are read here
and nowhere else.
"""

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gopherwood import credentials
from gopherwood.config import Settings
from gopherwood.endpoint import URL
from gopherwood.errors import ConfigError
from gopherwood.http import Client
from gopherwood.notices import sinks
from gopherwood.notices.lines import line_of
from gopherwood.notices.routes import Plan, Quiet, Route
from gopherwood.notices.values import Severity

GIVE_UP_HOURS = 6.0


class Table:
    """A table of the file; what is taken from it is checked, and what nobody took is an error."""

    def __init__(self, file: Path, text: str, where: Sequence[str | int], values: Any) -> None:
        self._file = file
        self._text = text
        self._where = list(where)
        self._taken: set[str] = set()
        if not isinstance(values, dict):
            raise self.error("", "is no table", "write [NAME] above its keys")
        self._values: Mapping[str, Any] = values

    def error(self, key: str, says: str, hint: str = "") -> ConfigError:
        """Return the error of a key: file, line, key, and what is wrong with it."""
        where = [*self._where, key] if key else self._where
        name = ".".join(str(each) for each in where) or "the file"
        line = line_of(self._text, where)
        at = f"{self._file}:{line}" if line else str(self._file)
        return ConfigError(f"{at}: {name} {says}", hint=hint)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        return str(self._value(key, str, "a text", default))

    def texts(self, key: str, default: Sequence[str] | None = None) -> list[str]:
        """Return a list of texts, not empty."""
        found = self._value(key, list, "a list of texts", default)
        if not all(isinstance(each, str) and each for each in found) or (not found and default is None):
            raise self.error(key, "is no list of texts", f'e.g. {key} = ["..."]')
        return list(found)

    def number(self, key: str, default: float, *, most: float = 1e6) -> float:
        """Return a number above zero, up to `most`."""
        found = self._value(key, (int, float), "a number", default)
        if isinstance(found, bool) or not 0 <= found <= most:
            raise self.error(key, f"is no number from 0 to {most:g}")
        return float(found)

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of these words."""
        found = self.text(key, default)
        if found not in choices:
            raise self.error(key, f"= {found!r} is none of {', '.join(choices)}")
        return found

    def secret(self, key: str, *, optional: bool = False) -> str:
        """Return what an `env:NAME` or `file:PATH` names, without the white space around it."""
        kind, _, name = self.text(key, "" if optional else None).partition(":")
        if optional and not kind:
            return ""
        if kind == "env" and name:
            found = os.environ.get(name, "")
        elif kind == "file" and name:
            try:
                found = Path(name).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                says = getattr(error, "strerror", None) or "not UTF-8"
                raise self.error(key, f"names the file {name}, which cannot be read: {says}") from None
        else:
            hint = f'write {key} = "env:NAME" or {key} = "file:PATH"'
            raise self.error(key, "is secret, and must not stand in this file", hint)
        if not found.strip():
            raise self.error(key, f"names {kind}:{name}, which is empty", "set it, or take the sink out")
        return found.strip()

    def url(self, key: str, text: str) -> str:
        """Return a URL as it is, if notices may be sent there: https, or this machine. It is named in no error."""
        match = URL.fullmatch(text)
        if not match or (match["scheme"] == "http" and not credentials.is_loopback(match["host"])):
            raise self.error(key, "is no https URL", "http is for this machine alone")
        if match["user"]:
            raise self.error(
                key, "holds a user and password", "such URLs end up in logs; use a secret path or a signature"
            )
        return text

    def table(self, key: str) -> "Table":
        """Return a table within this one, an empty one when it is not there."""
        return Table(self._file, self._text, [*self._where, key], self._value(key, dict, "a table", {}))

    def tables(self, key: str) -> list["Table"]:
        """Return the tables `[[key]]`."""
        found = self._value(key, list, f"a list of tables: write [[{key}]]", [])
        return [Table(self._file, self._text, [*self._where, key, at], each) for at, each in enumerate(found)]

    def keys(self) -> list[str]:
        """Return the names that stand in it."""
        return list(self._values)

    def end(self) -> None:
        """Raise ConfigError for what nobody asked for."""
        for key in self._values:
            if key not in self._taken:
                raise self.error(key, "is not known", f"there are {', '.join(sorted(self._taken))}")

    def _value(self, key: str, kind: type | tuple[type, ...], says: str, default: Any) -> Any:
        self._taken.add(key)
        if key not in self._values:
            if default is None:
                raise self.error(key, "is missing")
            return default
        if not isinstance(self._values[key], kind):
            raise self.error(key, f"is not {says}")
        return self._values[key]


def read(settings: Settings, client: Client) -> Plan:
    """Return what the file says. Raises ConfigError."""
    file = settings.notices_path
    try:
        text = file.read_text("utf-8")
        values = tomllib.loads(text)
    except FileNotFoundError:
        hint = "docs/notices.md has one to begin with; GOPHERWOOD_NOTICES names another place"
        raise ConfigError(f"there is no file {file} that says who is told what", hint=hint) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    top = Table(file, text, (), values)
    given = top.table("sinks")
    tools = sinks.Tools(settings, client)
    named = {name: _sink(given.table(name), tools) for name in given.keys()}  # noqa: SIM118  # no mapping
    routes = [_route(each, named) for each in top.tables("routes")]
    links, limits = top.table("links"), top.table("limits")
    urls = [(pattern, links.url(pattern, links.text(pattern))) for pattern in links.keys()]  # noqa: SIM118
    give_up = limits.number("give_up_hours", GIVE_UP_HOURS, most=24 * 30) * 3600
    for each in (top, links, limits):
        each.end()
    return Plan(named, routes, urls, give_up)


def _sink(table: Table, tools: "sinks.Tools") -> Any:
    kind = table.choice("kind", list(sinks.KINDS))
    made = sinks.load(kind)(table, tools)
    table.end()
    return made


def _route(table: Table, known: Mapping[str, Any]) -> Route:
    to = table.texts("to")
    if unknown := [name for name in to if name not in known]:
        raise table.error("to", f"names {unknown[0]!r}, which is no sink", f"there are {', '.join(known) or 'none'}")
    words = [each.word for each in Severity]
    route = Route(
        events=table.texts("events"),
        to=to,
        severity=Severity.named(table.choice("severity", words, "info")),
        modules=",".join(table.texts("modules", [])),
        channel=table.text("channel", ""),
        mention=table.text("mention", ""),
        quiet=_quiet(table, words),
    )
    table.end()
    return route


def _quiet(table: Table, words: Sequence[str]) -> Quiet | None:
    hours = table.text("quiet", "")
    zone = _converted(table, "timezone", table.text("timezone", "UTC"), ZoneInfo, 'use a name such as "Europe/Berlin"')
    let_through = Severity.named(table.choice("let_through", words[1:], "page"))
    if not hours:
        return None
    begin, _, end = hours.partition("-")
    hint = 'use two times of the day, e.g. "22:00-07:00"'
    times = [_converted(table, "quiet", each, time.fromisoformat, hint) for each in (begin, end)]
    if times[0] == times[1]:
        raise table.error("quiet", "ends when it begins", hint)
    return Quiet(times[0], times[1], zone, let_through)


def _converted(table: Table, key: str, text: str, kind: Callable[[str], Any], hint: str) -> Any:
    try:
        return kind(text)
    except (ValueError, OSError, KeyError):
        raise table.error(key, f"= {text!r} is not understood", hint) from None
