"""The app: every route wants the login of Airflow's UI, and a DAG's tab the right to read that DAG.

Airflow mounts a plugin's app as it is, without any authentication: whoever adds a route gets it from the app as a
whole, and cannot forget it. Pages hold no script but ours and ask no other host; their policy says so to the browser.
"""

from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.exceptions import HTTPException as StarletteHTTPException

from gopherwood_airflow.views import runs, words
from gopherwood_airflow.views.asking import MOST_INTERVALS, Serving, ServingError

HERE = Path(__file__).parent
TYPES = {"style.css": "text/css", "frame.js": "text/javascript"}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def create_app(root: str, serving: Serving, public: str) -> FastAPI:
    """Build the app: `root` is the path below which Airflow's UI is, `public` where people find serving's pages."""
    app = FastAPI(title="Gopherwood", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)])
    loader = FileSystemLoader(HERE / "templates")
    pages = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True)
    pages.filters |= {
        "span": words.span,
        "took": words.took,
        "ago": words.ago,
        "utc": words.utc,
        "number": words.number,
    }
    pages.globals |= {"root": root, "public": public, "serving": serving.url, "words": words}

    def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(pages.get_template(name).render(values), status, HEADERS)

    @app.get("/modules")
    def modules(user: GetUserDep, session: SessionDep) -> Response:
        """Show the platform as a whole."""
        readable = get_auth_manager().get_authorized_dag_ids(user=user, method="GET")
        return page("modules.html", dags=runs.our_dags(session, readable), **_standing(serving))

    @app.get("/dag/{dag_id}", dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.RUN))])
    def dag(dag_id: str, session: SessionDep) -> Response:
        """Show what a DAG did lately."""
        if not runs.is_known(session, dag_id):
            raise HTTPException(404, "There is no such DAG")
        last = runs.last_runs(session, dag_id)
        asked = last[:MOST_INTERVALS] if dag_id in words.COLUMNS else []
        return page("dag.html", dag_id=dag_id, runs=last, **_standing(serving, asked))

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        """Return what pages are made up with."""
        if name not in TYPES:
            raise HTTPException(404)
        headers = HEADERS | {"cache-control": "private, max-age=3600"}
        return Response((HERE / "static" / name).read_bytes(), media_type=TYPES[name], headers=headers)

    @app.exception_handler(StarletteHTTPException)
    async def refusal(_request: Request, error: StarletteHTTPException) -> Response:
        """Say to a person, who sees it in a frame, what to do."""
        return page("refused.html", error.status_code, code=error.status_code, detail=error.detail)

    return app


def _standing(serving: Serving, asked: list[runs.Run] | None = None) -> dict[str, Any]:
    """Return what serving says, or why it does not, by the names that pages know it by."""
    try:
        return {"said": serving.standing([run.interval for run in asked or []]), "trouble": ""}
    except ServingError as error:
        return {"said": None, "trouble": str(error)}
