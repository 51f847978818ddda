"""Doc comments as HTML: what https://go.dev/doc/comment shows, and nothing that an author could smuggle in."""

import pytest

from gopherwood.gosource.comment import html


def target(package: str, name: str) -> str:
    """Know io and the names of this package that begin with T."""
    if package:
        return f"/{package}#{name}" if package in ("io", "encoding/json") else ""
    return f"#{name}" if name.startswith("T") else ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One\nparagraph.\n\nAnother.", "<p>One paragraph.</p><p>Another.</p>"),
        ("# Heading\n\nText.", "<h4>Heading</h4><p>Text.</p>"),
        ("Intro.\n\nOld heading\n\nText.", "<p>Intro.</p><h4>Old heading</h4><p>Text.</p>"),
        ("Intro.\n\nNo heading.\n\nText.", "<p>Intro.</p><p>No heading.</p><p>Text.</p>"),
        ("Like so:\n\n\tx := 1\n\n\ty := 2", "<p>Like so:</p><pre>x := 1\n\ny := 2</pre>"),
        ("Items:\n  - one\n    more\n  - two", "<p>Items:</p><ul><li>one more</li><li>two</li></ul>"),
        ("Steps:\n 1. one\n 2. two", "<p>Steps:</p><ol><li>one</li><li>two</li></ol>"),
        ("See [io.Reader] or [T.M].", '<p>See <a href="/io#Reader">io.Reader</a> or <a href="#T.M">T.M</a>.</p>'),
        ("By [encoding/json].", '<p>By <a href="/encoding/json#">encoding/json</a>.</p>'),
        ("Not [Unknown], a[i] nor [1].", "<p>Not Unknown, a[i] nor [1].</p>"),
        (
            "See [RFC 1].\n\n[RFC 1]: https://example.com/1",
            '<p>See <a rel="nofollow" href="https://example.com/1">RFC 1</a>.</p>',
        ),
        (
            "At https://example.com/a?b=1&c=2.",
            '<p>At <a rel="nofollow" href="https://example.com/a?b=1&amp;c=2">https://example.com/a?b=1&amp;c=2</a>.</p>',
        ),
        ("Say ``hello''.", "<p>Say “hello”.</p>"),
        ("", ""),
    ],
)
def test_comments_are_shown_as_go_shows_them(text: str, wanted: str) -> None:
    """Paragraphs, headings of both kinds, code, lists, doc links, link definitions, addresses, quotes."""
    assert html(text, target) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "# <img src=x onerror=alert(1)>",
        "\t<b>code</b>",
        "  - <i>item</i>",
        "[x]: javascript:alert(1)\n\nSee [x].",
        '[x]: https://a/"onmouseover="alert(1)\n\nSee [x].',
        "https://a/<script>",
        '[T"><script>]',
    ],
)
def test_nothing_of_an_author_becomes_a_tag(text: str) -> None:
    """Whatever stands in a comment is text; only the tags of this file come out, and no script address."""
    made = html(text, target)
    for forbidden in ("<script", "<img", "<b>", "<i>", "javascript:", '"onmouseover="'):
        assert forbidden not in made.replace("See [x]", "")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "hostile", ["[" * 120_000, "[a" * 60_000, "- " * 60_000, " \n" * 60_000, "A" * 130_000], ids=list("12345")
)
def test_hostile_comments_cost_little(hostile: str) -> None:
    """No comment costs more than its length in proportion."""
    assert len(html(hostile)) < 2_000_000
