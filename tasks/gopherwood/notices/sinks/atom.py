"""Atom feeds: one of everything, one of each module, as files below `feeds/` of the folder of reports.

A feed holds its newest entries. It is written anew as a whole, and an entry is known by its id, so telling a notice
twice changes nothing. Authority: RFC 4287.
"""

from collections import defaultdict
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from gopherwood import module
from gopherwood.catalog import Message
from gopherwood.errors import ContentError, StorageError
from gopherwood.module import escape_path
from gopherwood.notices.parse import Table
from gopherwood.notices.sinks import Tools
from gopherwood.notices.values import Notice, Remembered, SinkError
from gopherwood.objects import MissingError, Objects, open_objects

FOLDER = "feeds"
EVERYTHING = f"{FOLDER}/all.atom"
NAMESPACE = "http://www.w3.org/2005/Atom"
_ATOM = f"{{{NAMESPACE}}}"


class Atom:
    """Writes feeds into the folder of reports."""

    most = 500
    folds = False
    every = 0.0

    def __init__(self, objects: Objects, entries: int, base: str) -> None:
        self._objects = objects
        self._entries = entries
        self._base = base

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Add notices to their feeds."""
        feeds: dict[str, list[Notice]] = defaultdict(list)
        for notice in notices:
            feeds[EVERYTHING].append(notice)
            if key := key_of(notice):
                feeds[key].append(notice)
        try:
            self._objects.replace_many([(key, self._feed(key, added)) for key, added in sorted(feeds.items())])
        except StorageError as error:
            raise SinkError(str(error), hint=error.hint) from None
        return []

    def _feed(self, key: str, added: Sequence[Notice]) -> bytes:
        entries = {str(each.findtext(f"{_ATOM}id")): each for each in self._kept(key)}
        for notice in added:
            entries[f"urn:{notice.key}"] = _entry(notice)
        newest = sorted(entries.values(), key=lambda each: str(each.findtext(f"{_ATOM}updated")), reverse=True)
        title = "everything" if key == EVERYTHING else added[0].module
        feed = ET.Element(f"{_ATOM}feed")
        _add(feed, "id", f"{self._base}/{key}" if self._base else f"urn:gopherwood:{key}")
        _add(feed, "title", f"Gopherwood: {title}")
        _add(feed, "updated", str(newest[0].findtext(f"{_ATOM}updated")))
        _add(_add(feed, "author", ""), "name", "Gopherwood")
        if self._base:
            _add(feed, "link", "", rel="self", href=f"{self._base}/{key}")
        feed.extend(newest[: self._entries])
        ET.register_namespace("", NAMESPACE)
        text: bytes = ET.tostring(feed, "utf-8", xml_declaration=True)
        return text

    def _kept(self, key: str) -> list[ET.Element]:
        try:
            text = self._objects.read(key)
        except MissingError:
            return []
        try:
            return ET.fromstring(text).findall(f"{_ATOM}entry")  # noqa: S314  # nobody but us writes it
        except ET.ParseError:
            return []  # whoever wrote that; the feed begins anew


def key_of(notice: Notice) -> str:
    """Return the key of the feed of the module that a notice is about, "" when it is about none."""
    try:
        module.check_path(notice.module)
        return f"{FOLDER}/{escape_path(notice.module)}/feed.atom"
    except ContentError:
        return ""


def _entry(notice: Notice) -> ET.Element:
    entry = ET.Element(f"{_ATOM}entry")
    _add(entry, "id", f"urn:{notice.key}")
    _add(entry, "title", notice.line)
    _add(entry, "updated", notice.at.isoformat(timespec="microseconds"))
    _add(entry, "category", "", term=notice.kind)
    _add(entry, "category", "", term=notice.severity.word)
    if notice.link:
        _add(entry, "link", "", href=notice.link)
    _add(entry, "content", notice.todo or notice.line, type="text")
    return entry


def _add(parent: ET.Element, name: str, text: str, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, f"{_ATOM}{name}", attributes)
    child.text = "".join(char for char in text if char.isprintable()) or None
    return child


def make(table: Table, tools: Tools) -> Atom:
    """Make the sink of a table of the file. Raises ConfigError."""
    objects = open_objects(tools.settings.reports_url, mutable=True, settings=tools.settings)
    base = table.text("base", "").rstrip("/")
    return Atom(objects, int(table.number("entries", 100, most=10_000)) or 1, base and table.url("base", base))
