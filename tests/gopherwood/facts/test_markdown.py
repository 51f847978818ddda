"""READMEs as pages show them: readable, with links into our viewer, and with nothing that could run or call out."""

import pytest

from gopherwood.facts.markdown import html
from gopherwood.module import ModuleVersion

MV = ModuleVersion("example.com/M", "v1.0.0")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# Title\n\nA *word*.", "<h1>Title</h1>\n<p>A <em>word</em>.</p>\n"),
        ("| a |\n|---|\n| b |", "<td>b</td>"),
        ("~~old~~", "<s>old</s>"),
        ("```go\nx := 1 < 2\n```", "<pre><code>x := 1 &lt; 2\n</code></pre>"),
        ("[a](docs/a%20b.md#x)", 'href="/example.com/M@v1.0.0?tab=code&amp;file=docs/a%20b.md#x"'),
        ("[a](../../etc/passwd)", 'href="/example.com/M@v1.0.0?tab=code&amp;file=etc/passwd"'),
        ("[a](#part)", 'href="#part"'),
        ("[a](https://example.org/)", '<a href="https://example.org/" rel="nofollow noopener">a</a>'),
        ("![Build status](https://example.org/b.svg)", "<span>Build status</span>"),
        ('<img src="logo.png">', "<span>logo.png</span>"),
        ("<details><summary>More</summary>x</details>", "<details><summary>More</summary>x</details>"),
    ],
)
def test_markdown_is_shown(text: str, wanted: str) -> None:
    """CommonMark with tables; relative links lead to the viewer, pictures are named."""
    assert wanted in html(text, "README.md", MV)


def test_other_readmes_are_shown_as_they_are() -> None:
    """A plain text is text, whatever it holds."""
    assert html("*a* <b>", "README.txt", MV) == "<pre>*a* &lt;b&gt;</pre>"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<scr<script>ipt>alert(1)</scr</script>ipt>",
        '<img src=x onerror="alert(1)">',
        '<img alt="<script>alert(1)</script>" src=x>',
        "[a](javascript:alert(1))",
        "[a](java\nscript:alert(1))",
        "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
        "<svg><a xlink:href='javascript:alert(1)'></a></svg>",
        "<style>body{display:none}</style>",
        "<iframe src=//example.org></iframe>",
        "<form action=//example.org><input></form>",
        '<p style="position:fixed" onclick="alert(1)" class="banner" id="search">x</p>',
        "<math><mtext><script>alert(1)</script></mtext></math>",
        "![x](https://example.org/p.png)",
    ],
)
def test_nothing_runs_and_nobody_is_called(text: str) -> None:
    """No script, style, frame, form, event or picture comes through, in any spelling."""
    made = html(text, "README.md", MV).lower()
    for forbidden in (
        "<script",
        "<img",
        "<style",
        "<iframe",
        "<svg",
        "<form",
        "<input",
        " on",
        "style=",
        "class=",
        " id=",
    ):
        assert forbidden not in made.replace("&lt;", "")
    assert 'href="javascript' not in made
    assert 'href="data' not in made


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile", ["[" * 50_000, "> " * 20_000, "*a " * 50_000, "|a" * 50_000, "<" * 100_000], ids=list("12345")
)
def test_hostile_markdown_ends(hostile: str) -> None:
    """Nesting and repetition are bounded by the library, and by the reader's time."""
    assert len(html(hostile, "README.md", MV)) < 3_000_000
