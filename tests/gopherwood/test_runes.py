"""Characters as Go sees them."""

import pytest

from gopherwood import runes


@pytest.mark.parametrize(
    "pair", ["Kk", "\u212ak", "\u017fs", "ß\u1e9e", "\u00b5\u03bc", "\ufb05\ufb06", "\u0390\u1fd3", "\u1c89\u1c8a"]
)
def test_equal_under_simple_folding(pair):
    """Pairs that Go's EqualFold joins have one key."""
    assert runes.fold(pair[0]) == runes.fold(pair[1])


@pytest.mark.parametrize(("one", "other"), [("ß", "ss"), ("ı", "i"), ("İ", "i"), ("ﬁ", "fi"), ("é", "e")])
def test_unequal_under_simple_folding(one, other):
    """Full folding would join these; Go and file systems do not."""
    assert runes.fold(one) != runes.fold(other)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a'b", '"a\'b"'),
        ('a"\\', r'"a\"\\"'),
        ("\n\x01\x7f", r'"\n\x01\x7f"'),
        ("\udcff", r'"\xff"'),
        ("\u200b\U000e0001", r'"\u200b\U000e0001"'),
        ("é", '"é"'),
    ],
)
def test_quote(text, quoted):
    """Strings are quoted as by %q."""
    assert runes.quote(text) == quoted


def test_letters_newer_than_python():
    """Letters that Unicode added after Python 3.11's tables are letters; digits and marks are not."""
    assert all(map(runes.is_letter, "aé世\u0c5c\U00031350"))
    assert not any(map(runes.is_letter, "1_\u0301\udcff"))
