"""Go's idea of text: quoted strings, spaces, base64."""

import pytest

from gopherwood import gotext


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ('""', ""),
        (r'"a\n\t\\\"b"', 'a\n\t\\"b'),
        (r'"\x41\102\u0043\U00000044"', "ABCD"),
        (r'"\xff"', "\udcff"),
        (r'"\xc3\xa9"', "é"),
        ('"\udcff"', "\ufffd"),
        ('"\udcff\\n"', "\ufffd\n"),
        ("`a\\n\r`", "a\\n"),
    ],
)
def test_literals_are_unquoted(literal, text):
    """Escapes stand for what they do in Go; raw strings are taken as they are, without carriage returns."""
    assert gotext.unquote(literal) == text


@pytest.mark.parametrize(
    "literal", ["", '"', '"a', "'a'", '"a"b"', '"\n"', r'"\q"', r'"\'"', r'"\400"', r'"\ud800"', r'"\U00110000"', "```"]
)
def test_what_is_no_literal_is_refused(literal):
    """Anything strconv.Unquote refuses is a ValueError."""
    with pytest.raises(ValueError, match="invalid syntax"):
        gotext.unquote(literal)


def test_spaces_are_gos():
    """U+001C is no space to Go, U+0085 and U+00A0 are."""
    assert gotext.fields(" a\x1cb\x85c\xa0d ") == ["a\x1cb", "c", "d"]
    assert gotext.trim_space("\u2003\x1c\n") == "\x1c"


def test_bytes_survive():
    """Bytes that are no UTF-8 come back as they were, each a character of its own."""
    data = b"a\xff\xed\xa0\x80\xc3\xa9"
    assert gotext.to_bytes(gotext.from_bytes(data)) == data
    assert len(gotext.from_bytes(data)) == 6
    assert gotext.is_print("\udcff")


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "A===", "AA=A", "AAAA==", "AA A", "AA-_"])
def test_bad_base64_is_refused(text):
    """Padding and alphabet are those of the standard encoding."""
    with pytest.raises(ValueError, match="base64"):
        gotext.decode_base64(text)
