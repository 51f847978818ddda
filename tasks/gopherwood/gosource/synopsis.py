"""The first sentence of a comment: what a list of packages shows.

Authority: go/doc, Package.Synopsis and firstSentenceLen of the Go standard library.
"""

import re
import unicodedata

NOT_A_SYNOPSIS = ("copyright", "all rights", "author")
"""How comments begin that say nothing of the package."""
LONGEST = 300
"""Characters kept; a list has no room for more."""

_LINK = re.compile(r"\[(\*?(?:[\w./~-]+\.)?[A-Z]\w*(?:\.[A-Z]\w*)?|[\w.~-]+(?:/[\w.~-]+)+)\]")
_PARAGRAPH = re.compile(r"\n(?=[ \t\n])")


def synopsis(text: str) -> str:
    """Return the first sentence of a comment's first paragraph, on one line; "" when it begins with a copyright."""
    if text[:1].isspace() or text.startswith("# "):  # code, or a heading
        return ""
    words = _first_sentence(_PARAGRAPH.split(text, maxsplit=1)[0].strip())
    if words.lower().startswith(NOT_A_SYNOPSIS):
        return ""
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def _first_sentence(text: str) -> str:
    before = one = two = ""
    for at, character in enumerate(text):
        if character in "\n\r\t":
            character = " "  # white space of any kind ends a sentence
        if character == " " and one == "." and (not _upper(two) or _upper(before)):
            return " ".join(_plain(text[:at]).split())
        if character in "。．":
            return " ".join(_plain(text[: at + 1]).split())
        before, two, one = two, one, character
    return " ".join(_plain(text).split())


def _plain(text: str) -> str:
    """Return text as it is read: [io.Reader] is a link, ``this'' is quoted."""
    text = _LINK.sub(r"\1", text) if "[" in text else text
    return text.replace("``", "“").replace("''", "”")


def _upper(character: str) -> bool:
    return bool(character) and unicodedata.category(character) == "Lu"
