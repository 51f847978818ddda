"""Data Docs: the library's own page of each table's results, made to be read without a network.

As they come, the pages load 18 files from content networks, and scripts and styles of their own that serving's policy
forbids (the library's templates page.j2, js_script_imports.j2). What is kept is the structure: the same headings,
expectations, counts and samples. Whatever is a script, a style, an image or a way to another host is left out, and one
style sheet of ours takes its place. All that was folded is open, since nothing unfolds it.
"""

from collections.abc import Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from typing import Any

from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView

DROPPED = frozenset({"script", "style", "nav", "footer", "button", "svg", "form", "iframe", "noscript"})
SIDEBAR = frozenset({"sticky", "navbar-collapse", "modal"})
"""Classes of what nobody can use without the scripts: filters, folded contents, a walk-through."""
EMPTY = frozenset({"meta", "link", "img", "input"})
"""Elements without content that are dropped."""
VOID = frozenset({"br", "hr", "col", "wbr"})
KEPT = frozenset({"class", "id", "colspan", "rowspan", "href", "title"})
HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="../style.css">
</head>
<body class="data-docs">
<main>
<p><a href="../index.html">Data quality</a></p>
<h1>{title}</h1>
"""
TAIL = "</main>\n</body>\n</html>\n"


def page(data_set: str, tables: Mapping[str, Sequence[Any]]) -> str:
    """Return the page of a data set: of each table the rules and why they are, then what the library shows of it."""
    parts = [HEAD.format(title=escape(f"Data Docs: {data_set}"))]
    for name, results in tables.items():
        parts += [f"<section><h2>{escape(name)}</h2>\n", _why(results), plain(_rendered(name, results)), "</section>\n"]
    return "".join([*parts, TAIL])


def plain(html: str) -> str:
    """Return the body of a page of the library without all that needs a script or another host."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.kept)


def _why(results: Sequence[Any]) -> str:
    """Return the rules by our own names, which the library's page does not show."""
    rows = []
    for each in results:
        config = each.expectation_config
        rule, severity = escape(config.meta["rule"]), escape(config.meta["severity"])
        held = '<span class="good">✓</span>' if each.success else f'<span class="{severity}">✗</span>'
        rows.append(f"<dt>{held} <code>{rule}</code> ({severity})</dt><dd>{escape(str(config.notes or ''))}</dd>")
    return f"<dl>{''.join(rows)}</dl>\n"


def _rendered(name: str, results: Sequence[Any]) -> str:
    passed = sum(bool(each.success) for each in results)
    statistics = {
        "evaluated_expectations": len(results),
        "successful_expectations": passed,
        "unsuccessful_expectations": len(results) - passed,
        "success_percent": 100 * passed / len(results) if results else 100.0,
    }
    whole = ExpectationSuiteValidationResult(
        success=passed == len(results),
        results=list(results),
        suite_name=name,
        statistics=statistics,
        meta={"active_batch_definition": {"data_asset_name": name}},
    )
    document = ValidationResultsPageRenderer(run_info_at_end=True).render(whole)
    return str(DefaultJinjaPageView().render(document))  # type: ignore[no-untyped-call]


class _Cleaner(HTMLParser):
    """Copies the body, less what is dropped; texts are escaped anew."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.kept: list[str] = []
        self._is_body = False
        self._dropped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Copy a start tag with its harmless attributes."""
        if tag == "body":
            self._is_body = True
        elif self._dropped:
            self._dropped += [tag] if tag == self._dropped[0] else []  # one of its kind inside it ends before it
        elif tag in DROPPED or SIDEBAR & set((dict(attrs).get("class") or "").split()):
            self._dropped.append(tag)
        elif self._is_body and tag not in EMPTY:
            self.kept.append(f"<{tag}{''.join(self._attribute(name, value) for name, value in attrs)}>")

    def handle_endtag(self, tag: str) -> None:
        """Copy an end tag."""
        if tag == "body":
            self._is_body = False
        elif self._dropped:
            if tag == self._dropped[-1]:
                self._dropped.pop()
        elif self._is_body and tag not in EMPTY | VOID:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Copy a text."""
        if self._is_body and not self._dropped:
            self.kept.append(escape(data, quote=False))

    @staticmethod
    def _attribute(name: str, value: str | None) -> str:
        if name not in KEPT or (name == "href" and not (value or "").startswith("#")):
            return ""
        return f' {name}="{escape(value or "")}"'
