"""What Go's standard library means by space, printable, a quoted string and base64.

go.mod files, signed notes and error messages are defined by Go's `unicode` and `strconv` packages, whose answers are
not those of Python's `str` methods: Python counts U+001C as a space and Go does not. Bytes that are no UTF-8 travel
through our `str` as lone surrogates (`surrogateescape`), so every Go string has exactly one form here.

Authority: Go's unicode.IsSpace and IsPrint, strconv.Unquote, base64.StdEncoding. What is printable is asked of the
Python that runs this: characters that Unicode assigned after its tables were made count as not printable here.
"""

import base64
import re
from typing import Final

SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Every character with Unicode's White_Space property: what unicode.IsSpace accepts and strings.TrimSpace strips."""

_NOT_SPACE_RUN = re.compile(f"[^{SPACE}]+")
_ESCAPE = re.compile(
    r"""\\(?:([abfnrtv\\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|[^\\"\n]+""", re.DOTALL
)
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


def from_bytes(data: bytes) -> str:
    """Decode a Go string: UTF-8, with each byte that is none of it kept as a lone surrogate."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Encode a Go string, the inverse of `from_bytes`."""
    return text.encode("utf-8", "surrogateescape")


def fields(text: str) -> list[str]:
    """Split around runs of white space, as strings.Fields does."""
    return _NOT_SPACE_RUN.findall(text)


def trim_space(text: str) -> str:
    """Strip white space from both ends, as strings.TrimSpace does."""
    return text.strip(SPACE)


def is_raw_byte(char: str) -> bool:
    """Report whether the character stands for a byte that is no UTF-8; Go decodes it as U+FFFD."""
    return "\udc80" <= char <= "\udcff"


def is_print(char: str) -> bool:
    """Report whether Go calls the character printable: letters, marks, numbers, punctuation, symbols, and U+0020."""
    return char.isprintable() or is_raw_byte(char)


def decode_base64(text: str) -> bytes:
    """Decode standard base64, padding required; raises ValueError where base64.StdEncoding would not decode.

    Line ends anywhere are ignored, as Go does.
    """
    text = text.replace("\r", "").replace("\n", "")
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise ValueError("illegal base64 data")
    return base64.b64decode(text)


def unquote(text: str) -> str:
    """Interpret a Go string literal in double quotes or backquotes.

    Raises ValueError("invalid syntax"), as strconv.Unquote does.
    """
    if len(text) < 2 or text[0] != text[-1] or text[0] not in '"`':
        raise ValueError("invalid syntax")
    body = text[1:-1]
    if text[0] == "`":
        if "`" in body:
            raise ValueError("invalid syntax")
        return body.replace("\r", "")
    return _unescape(body)


def _unescape(body: str) -> str:
    out = bytearray()
    at = 0
    while at < len(body):
        found = _ESCAPE.match(body, at)
        if found is None:
            raise ValueError("invalid syntax")
        at = found.end()
        out += _unescaped(found)
    return from_bytes(bytes(out))


def _unescaped(found: re.Match[str]) -> bytes:
    simple, hex2, octal, hex4, hex8 = found.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if hex2 or octal:
        byte = int(hex2, 16) if hex2 else int(octal, 8)
        if byte > 0xFF:
            raise ValueError("invalid syntax")
        return bytes((byte,))
    if hex4 or hex8:
        point = int(hex4 or hex8, 16)
        if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
            raise ValueError("invalid syntax")
        return chr(point).encode()
    # Text between escapes. Go re-encodes rune by rune here, so a byte that is no UTF-8 becomes U+FFFD.
    return found.group().translate(_REPLACE).encode()


_REPLACE: Final = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
