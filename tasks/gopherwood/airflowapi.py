"""Asking Airflow's REST API (v2) as the user that the settings name: `GOPHERWOOD_AIRFLOW_URL`, `_USER` and `_PASSWORD`.

The token is asked for with user and password, and again when it has run out. Authority: Airflow's API reference
(/auth/token, /api/v2).
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from gopherwood.config import Settings
from gopherwood.errors import RefusedError, UpstreamError
from gopherwood.http import Client, Response

LIMIT = 4 << 20
"""Bytes of one answer."""
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class AirflowApi:
    """One Airflow. Not for two threads at once. Raises UpstreamError, and RefusedError for a login it does not take."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self._base = settings.airflow_url.rstrip("/")
        self._who = {"username": settings.airflow_user, "password": settings.airflow_password}
        self._client = client
        self._token = ""

    def get(self, path: str) -> Any:
        """Return what it says to a GET."""
        return self._answer(path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return what it says to a POST, which may be sent twice."""
        return self._answer(path, json.dumps(body).encode())

    def _answer(self, path: str, body: bytes | None) -> Any:
        reply = self._ask(path, body, self._token or self._log_in())
        if reply.status == HTTPStatus.UNAUTHORIZED:
            reply = self._ask(path, body, self._log_in())
        if reply.status != HTTPStatus.OK:
            raise UpstreamError(f"Airflow answered {path.partition('?')[0]} with {reply.status}", status=reply.status)
        return _parsed(reply.body)

    def _ask(self, path: str, body: bytes | None, token: str) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body is None:
            return self._client.get_once(f"{self._base}{path}", headers, limit=LIMIT)
        return self._client.post(f"{self._base}{path}", body, headers | JSON, limit=LIMIT)

    def _log_in(self) -> str:
        reply = self._client.post(f"{self._base}/auth/token", json.dumps(self._who).encode(), JSON, limit=LIMIT)
        if reply.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            hint = "look at GOPHERWOOD_AIRFLOW_USER and GOPHERWOOD_AIRFLOW_PASSWORD"
            raise RefusedError(f"Airflow gave no token: status {reply.status}", hint=hint, status=reply.status)
        self._token = str(_parsed(reply.body)["access_token"])
        return self._token


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise UpstreamError(
            "Airflow's answer is no JSON", hint="is GOPHERWOOD_AIRFLOW_URL the one of its API?"
        ) from None
