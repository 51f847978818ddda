"""A README as safe HTML: Markdown as its readers know it, without a tag, an address or a style that could do harm.

Relative links lead to our own viewer of the very bytes that builds get. Pictures are named and never loaded: the page
asks no other host. What comes out is cleaned by an allow list, so no mistake in the rendering lets anything through.

Authority: https://spec.commonmark.org; GitHub's tables and strikethrough. Libraries: markdown-it-py, nh3 (ammonia).
"""

import posixpath
import re
from html import escape
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt

from gopherwood.module import ModuleVersion

TAGS = set(
    "a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr kbd li ol p pre s span strong sub summary sup table"  # noqa: SIM905  # forty quoted names are no easier to read
    " tbody td th thead tr ul".split()
)
ATTRIBUTES = {"a": {"href", "title"}, "th": {"align"}, "td": {"align"}, "ol": {"start"}}
SCHEMES = {"http", "https", "mailto"}
_DROPPED = {"script", "style", "iframe", "object", "embed", "svg", "math", "template", "noscript"}
_PICTURE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(alt|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)


def viewer(mv: ModuleVersion, file: str) -> str:
    """Return the address at which serving shows a file of a version."""
    return f"/{quote(str(mv), safe='/@+~!')}?tab=code&file={quote(file)}"


def html(text: str, name: str, mv: ModuleVersion) -> str:
    """Return a file of a module as HTML: rendered if it is Markdown by its name, else as it is."""
    if not name.lower().endswith((".md", ".markdown")):
        return f"<pre>{escape(text)}</pre>"
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    folder = posixpath.dirname(name)
    rendered = _PICTURE.sub(_named, markdown.render(text))
    return nh3.clean(
        rendered,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        clean_content_tags=_DROPPED,
        attribute_filter=lambda _tag, attribute, value: _address(value, folder, mv) if attribute == "href" else value,
        link_rel="nofollow noopener",
    )


def _named(match: re.Match[str]) -> str:
    """Return what stands in place of a picture: a link that says what it shows."""
    found = {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(match[0])}
    words = found.get("alt") or posixpath.basename(found.get("src", "").split("?")[0])
    return f"<span>{words}</span>" if words else ""


def _address(href: str, folder: str, mv: ModuleVersion) -> str:
    """Return where a link leads: within the page, to the web, or to our viewer for what is relative."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return "#"
    if parts.scheme or parts.netloc or href.startswith("#"):
        return href
    path = posixpath.normpath(posixpath.join("/", folder, unquote(parts.path)))
    anchor = f"#{parts.fragment}" if parts.fragment else ""
    return f"{viewer(mv, path.lstrip('/'))}{anchor}"
