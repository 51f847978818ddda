"""What Go says about characters: is it a letter, what does it fold to, how is it quoted.

Go strings are bytes; here they are `str`, in which bytes that are not UTF-8 stand as lone surrogates (the
`surrogateescape` form). The answers are those of Go's newest Unicode tables (17.0), whatever Python runs: the standard
library knows most of it, and the tables below add what Python 3.11 (Unicode 14.0) does not know yet.
Authority: packages unicode, strings (EqualFold) and strconv (Quote) of the Go standard library; strToFold in x/mod's
zip/zip.go.
"""

import unicodedata
from functools import lru_cache

UNICODE_VERSION = "17.0.0"
"""The version of Unicode that `is_letter` and `fold` speak."""

# First and last letter of each range that Unicode 15.0 to 17.0 added.
_NEW_LETTERS = """
88f 88f c5c c5c cdc cdc 1c89 1c8a a7cb a7cf a7d2 a7d2 a7d4 a7d4 a7da a7dc a7f1 a7f1 105c0 105f3 10940 10959 10d4a 10d65
10d6f 10d85 10ec2 10ec7 1123f 11240 11380 11389 1138b 1138b 1138e 1138e 11390 113b5 113b7 113b7 113d1 113d1 113d3 113d3
11bc0 11be0 11db0 11ddb 11f02 11f02 11f04 11f10 11f12 11f33 1342f 1342f 13441 13446 13460 143fa 16100 1611d 16d40 16d6c
16ea0 16eb8 16ebb 16ed3 16ff2 16ff3 187f8 187ff 18cff 18cff 18d09 18d1e 18d80 18df2 1b132 1b132 1b155 1b155 1df25 1df2a
1e030 1e06d 1e4d0 1e4eb 1e5d0 1e5ed 1e5f0 1e5f0 1e6c0 1e6de 1e6e0 1e6e2 1e6e4 1e6e5 1e6e7 1e6ed 1e6f0 1e6f4 1e6fe 1e6ff
2b739 2b73f 2cea2 2cead 2ebf0 2ee5d 31350 33479
"""
_BOUNDS = [int(bound, 16) for bound in _NEW_LETTERS.split()]
_NEW_LETTER_RANGES = list(zip(_BOUNDS[::2], _BOUNDS[1::2], strict=True))

# Pairs that simple folding joins and Python 3.11 keeps apart: first, last, and the distance to the other of the pair.
_NEW_FOLDS = [
    (0x1FD3, 0x1FD3, 0x390 - 0x1FD3),
    (0x1FE3, 0x1FE3, 0x3B0 - 0x1FE3),
    (0xFB05, 0xFB05, 1),
    (0x1C89, 0x1C89, 1),
    (0xA7CB, 0xA7CB, 0x264 - 0xA7CB),
    (0xA7CC, 0xA7CC, 1),
    (0xA7CE, 0xA7CE, 1),
    (0xA7D2, 0xA7D2, 1),
    (0xA7D4, 0xA7D4, 1),
    (0xA7DA, 0xA7DA, 1),
    (0xA7DC, 0xA7DC, 0x19B - 0xA7DC),
    (0x10D50, 0x10D65, 0x20),
    (0x16EA0, 0x16EB8, 0x1B),
]
_FOLDS = {chr(c): chr(c + step) for first, last, step in _NEW_FOLDS for c in range(first, last + 1)}

_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v"}


def is_valid(text: str) -> bool:
    """Report whether the text came from valid UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=4096)
def is_letter(char: str) -> bool:
    """Report whether the character is a letter (category L), as Go's unicode.IsLetter does."""
    if unicodedata.category(char)[0] == "L":
        return True
    code = ord(char)
    return any(first <= code <= last for first, last in _NEW_LETTER_RANGES)


def fold(text: str) -> str:
    """Return a key that two texts share exactly if Go's strings.EqualFold holds: Unicode *simple* case folding.

    `str.casefold` is the *full* folding, under which "ß" equals "ss"; file systems and Go do not think so.
    """
    return text.lower() if text.isascii() else "".join(map(_fold_one, text))


@lru_cache(maxsize=4096)
def _fold_one(char: str) -> str:
    if char in _FOLDS:
        return _FOLDS[char]
    for folded in (char.casefold(), char.lower()):
        if len(folded) == 1:
            return folded
    return char


def quote(text: str) -> str:
    """Return the text as Go's %q prints a string, so that messages read the same."""
    return '"' + "".join(_escape(char, '"') for char in text) + '"'


def quote_rune(char: str) -> str:
    """Return the character as Go's %q prints a rune."""
    return "'" + _escape(char, "'") + "'"


def _escape(char: str, mark: str) -> str:
    if char in (mark, "\\"):
        return "\\" + char
    if char.isprintable() or is_letter(char):
        return char
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
