"""The pages, made by Starlette and Jinja2: the framework ends here, the data path never meets it.

`Pages` is the whole bridge between the two: it plays an ASGI server for one request and returns what the framework sent
as an Answer, so HEAD, ETag, conditions and metrics are those of everything else. Pages hold no script
(/status/live alone has one, of ours), ask no other host, and say so in their Content-Security-Policy.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gopherwood.catalog import Catalog
from gopherwood.objects import Objects
from gopherwood.states import OPEN, State
from gopherwood_serving import modulepage
from gopherwood_serving.answers import LIVE, MISSING, SECURITY, SHORT, Answer, etag_of
from gopherwood_serving.live import standing

HERE = Path(__file__).parent
ASSETS = {"style.css": "text/css", "icon.svg": "image/svg+xml", "live.js": "text/javascript"}
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Pages:
    """Answers requests for pages by asking the framework."""

    def __init__(self, catalog: Catalog, store: Objects, facts: Objects) -> None:
        self.app = create_site(catalog, store, facts)

    async def __call__(self, scope: Any) -> Answer:
        """Return the page that an RSGI request asks for."""
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(_asgi_scope(scope), receive, send)
        start, body = sent[0], b"".join(message.get("body", b"") for message in sent[1:])
        headers = [(name.decode(), value.decode()) for name, value in start["headers"] if name != b"content-length"]
        etag = etag_of(body)
        return Answer(status=start["status"], headers=[*headers, ("etag", etag)], body=body, etag=etag)


def create_site(catalog: Catalog, store: Objects, facts: Objects) -> Starlette:
    """Build the site: one function a page."""
    loader = FileSystemLoader(HERE / "templates")
    templates = Environment(loader=loader, autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True)
    live_page = templates.get_template("live.html")
    home_page = templates.get_template("home.html")
    module_page, absent_page = templates.get_template("module.html"), templates.get_template("absent.html")

    def home(request: Request) -> Response:
        counts = catalog.counts()
        newest = catalog.recent([State.PUBLISHED], limit=8)
        page = home_page.render(
            base=_base(request),
            published=counts[State.PUBLISHED],
            open=sum(counts[state] for state in OPEN),
            newest=newest,
            freshness=_ago(newest[0].published_at) if newest else "",
            ledger_key=(catalog.ledger_key() or "") if catalog.ledger_size() else "",
        )
        return HTMLResponse(page, headers={**SECURITY, "cache-control": "no-cache"})

    def live(_request: Request) -> Response:
        return HTMLResponse(live_page.render(now=standing(catalog)), headers={**LIVE, "cache-control": "no-store"})

    def module(request: Request) -> Response:
        address, tab = request.path_params["address"], request.query_params.get("tab", "")
        place = modulepage.find(catalog, address)
        view = None
        if place is not None and tab in modulepage.TABS:
            view = modulepage.view(catalog, store, facts, place, tab, dict(request.query_params))
        if place is None or view is None:
            return _absent(absent_page, catalog, address)
        newer = modulepage.newer_major(catalog, place.mv.path)
        page = module_page.render(view=view, tabs=modulepage.TABS, days=modulepage.days, newer_major=newer)
        return HTMLResponse(page, headers={**SECURITY, "cache-control": SHORT})

    assets = [_asset(name, kind) for name, kind in ASSETS.items()]
    return Starlette(routes=[Route("/", home), Route("/status/live", live), *assets, Route("/{address:path}", module)])


def _absent(page: Template, catalog: Catalog, address: str) -> Response:
    """Say that nothing is called so, and which versions of the module are here."""
    path = address.partition("@")[0]
    versions = [each.version for each in catalog.versions(path)][::-1][:20]
    body = page.render(address=address, module=path, versions=versions)
    return HTMLResponse(body, status_code=404, headers={**SECURITY, "cache-control": MISSING})


def _asset(name: str, media_type: str) -> Route:
    body = (HERE / "static" / name).read_bytes()

    def asset(_request: Request) -> Response:
        return Response(body, media_type=media_type, headers={**SECURITY, "cache-control": "public, max-age=3600"})

    return Route(f"/static/{name}", asset)


def _base(request: Request) -> str:
    """Return the address by which the client reached us: what it should export as GOPROXY."""
    scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
    host = request.headers.get("host", "")
    # The Host header is the client's own word: a page shows it only when it can be nothing but a host.
    if scheme not in ("http", "https") or _HOST.fullmatch(host) is None:
        return "http://localhost"
    return f"{scheme}://{host}"


def _ago(time: datetime | None) -> str:
    if time is None:
        return ""
    seconds = max(0, int((datetime.now(UTC) - time).total_seconds()))
    for unit, name in _UNITS:
        if seconds >= unit:
            number = seconds // unit
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now"


def _asgi_scope(scope: Any) -> dict[str, Any]:
    server, _, port = scope.server.rpartition(":")
    client, _, client_port = scope.client.rpartition(":")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": scope.http_version,
        "method": scope.method,
        "scheme": scope.scheme,
        "path": scope.path,
        "raw_path": scope.path.encode("utf-8", "replace"),
        "query_string": scope.query_string.encode("utf-8", "replace"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in scope.headers.items()
        ],
        "server": (server.strip("[]"), int(port or 0)),
        "client": (client.strip("[]"), int(client_port or 0)),
    }
