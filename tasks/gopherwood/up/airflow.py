"""Airflow as `up` runs it: its environment, its parts, and the few questions we ask its REST API.

The parts are started one by one and not by `airflow standalone`, so that each has a log of its own, and
the database is migrated only when Airflow's version has changed. Nothing listens but the API server, on loopback: the
servers that hand out logs are left out, for all parts share one file system.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gopherwood
from gopherwood.config import PREFIX, Settings
from gopherwood.errors import ConfigError

PARTS = {
    "airflow-api-server": ["api-server"],
    "airflow-dag-processor": ["dag-processor"],
    "airflow-scheduler": ["scheduler", "--skip-serve-logs"],
    "airflow-triggerer": ["triggerer", "--skip-serve-logs"],
}
"""Each part's name and its `airflow` command, in the order of starting."""
SCHEDULER = "airflow-scheduler"
CHAOS_POOL = ("chaos", 1, "one experiment at a time")
"""The pool of the DAG `chaos`: without it the task that does the deed would wait for ever."""
HOST = "127.0.0.1"
USER = "admin"
LAST_LINES = 5
"""Lines of a failed task's log that we repeat."""
BUSY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR)
BUSY_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries while Airflow is too busy: its SQLite database was locked (503 or 500), or it says nothing."""

TIMEOUT = 20.0
"""Seconds that one request to the API may take."""


def home(settings: Settings) -> Path:
    """Return Airflow's own folder."""
    return settings.home.absolute() / "airflow"


def url(settings: Settings) -> str:
    """Return where the UI and the API are."""
    return f"http://{HOST}:{settings.airflow_port}"


def checkout() -> Path:
    """Return the folder that holds dags/ and plugins/.

    Raises ConfigError when this is an installation without them.
    """
    root = Path(gopherwood.__file__).resolve().parents[2]
    if not ((root / "dags").is_dir() and (root / "plugins").is_dir()):
        raise ConfigError(
            f"no dags/ and plugins/ in {root}", hint="`gopherwood up` runs from a checkout: use `make run`"
        )
    return root


def environment(settings: Settings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of every part and, through them, of every task."""
    root, address = checkout(), url(settings)
    folder = home(settings)
    airflow = {
        "CORE__DAGS_FOLDER": str(root / "dags"),
        "CORE__PLUGINS_FOLDER": str(root / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",  # 32, the default, doubles the memory
        "CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "API__HOST": HOST,
        "API__PORT": str(settings.airflow_port),
        "API__BASE_URL": address,
        "API__WORKERS": "1",
        "API__INSTANCE_NAME": "Gopherwood",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",  # half the pause between two tasks, for 1 % of a core
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",  # after a crash, seconds till a task is tried again
        "USAGE_DATA_COLLECTION__ENABLED": "False",
        "LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
    }
    own = {f"GOPHERWOOD_{name.upper()}": str(getattr(settings, name)) for name in settings.__slots__}
    if settings.ledger_key_file:
        own["GOPHERWOOD_LEDGER_KEY_FILE"] = str(settings.ledger_key_path.absolute())
    direct = ",".join(filter(None, [environ.get("NO_PROXY", environ.get("no_proxy", "")), HOST, "localhost"]))
    return {
        **environ,
        **{name: text for name, text in own.items() if text},
        "GOPHERWOOD_HOME": str(settings.home.absolute()),
        "GOPHERWOOD_SERVING_URL": f"http://{settings.serving_host}:{settings.serving_port}",
        "GOPHERWOOD_DISCOVER_SINCE": _since(folder),
        "AIRFLOW_HOME": str(folder),
        **{f"AIRFLOW__{name}": text for name, text in airflow.items()},
        "PATH": os.pathsep.join([environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]),
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _since(folder: Path) -> str:
    """Return the hour of our first start: `discover` catches up from there, whenever we were down."""
    file = folder / "since"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(datetime.now(UTC).replace(minute=0, second=0, microsecond=0).isoformat())
    return file.read_text()


def migrated(settings: Settings) -> Path:
    """Return the file that says which version of Airflow has migrated its database."""
    return home(settings) / "migrated"


def installed() -> str:
    """Return Airflow's version.

    Raises ConfigError when it is not installed.
    """
    try:
        return version("apache-airflow")
    except PackageNotFoundError:
        raise ConfigError("Airflow is not installed", hint="use `make run`, or install the extra `airflow`") from None


def password(settings: Settings) -> str:
    """Return the password that Airflow made up for the user `admin`."""
    file = home(settings) / "simple_auth_manager_passwords.json.generated"
    return str(json.loads(file.read_text())[USER])


def login(settings: Settings) -> dict[str, str]:
    """Return the settings by which a command asks this Airflow; it has been up before."""
    return {
        f"{PREFIX}AIRFLOW_URL": url(settings),
        f"{PREFIX}AIRFLOW_USER": USER,
        f"{PREFIX}AIRFLOW_PASSWORD": password(settings),
    }


class Api:
    """A few calls of Airflow's REST API."""

    def __init__(self, settings: Settings) -> None:
        """Talk to the server of `settings`; it need not be up yet."""
        self.base = url(settings)
        self._settings = settings
        self._token = ""
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def healthy(self) -> bool:
        """Say whether the server and every part that we start have reported lately."""
        try:
            health = self._call("GET", "/api/v2/monitor/health")
        except (OSError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def has_dag(self, dag: str) -> bool:
        """Say whether Airflow knows a DAG by now."""
        try:
            return bool(self.get(f"/api/v2/dags/{dag}")["dag_id"] == dag)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        """Start a run and return its id, made here so that asking twice starts no second one."""
        run = f"manual__{datetime.now(UTC).isoformat()}"
        try:
            self.post(f"/api/v2/dags/{dag}/dagRuns", {"dag_run_id": run, "logical_date": None, "conf": conf})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:  # that would be ours: its answer was lost
                raise
        return run

    def make_pool(self, name: str, slots: int, says: str) -> None:
        """Make a pool, unless it is there."""
        try:
            self.post("/api/v2/pools", {"name": name, "slots": slots, "description": says})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise

    def state(self, dag: str, run: str) -> str:
        """Return the state of a run: queued, running, success or failed."""
        return str(self.get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def running_tasks(self, dag: str, run: str) -> list[str]:
        """Return the names of a run's tasks that are at work, with how many of each."""
        tasks = self.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?state=running")["task_instances"]
        counts = Counter(str(task["task_id"]) for task in tasks)
        return [name if count == 1 else f"{name} x{count}" for name, count in counts.items()]

    def failed_tasks(self, dag: str, run: str) -> dict[str, list[str]]:
        """Return the address of the page of each failed task of a run, and the last lines of its log."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
        failed = {}
        for task in self.get(f"{path}?state=failed")["task_instances"]:
            name = task["task_id"]
            log = self.get(f"{path}/{name}/logs/{task['try_number']}?map_index={task['map_index']}")["content"]
            said = [str(line["event"]) for line in log if isinstance(line, dict) and line.get("filename") == "local.py"]
            failed[f"{self.base}/dags/{dag}/runs/{run}/tasks/{name}"] = said[-LAST_LINES:]
        return failed

    def get(self, path: str) -> Any:
        """Return the answer to a GET, logged in."""
        return self._call("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to a POST that may be sent twice, logged in."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if "/monitor/" not in path and path != "/auth/token":
            headers["Authorization"] = f"Bearer {self._token or self._log_in()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310  (loopback)
        for pause in BUSY_PAUSES:
            try:
                return self._answer(request)
            except urllib.error.HTTPError as error:
                if error.code not in BUSY:
                    raise
            except TimeoutError:
                pass
            time.sleep(pause)
        return self._answer(request)

    def _answer(self, request: urllib.request.Request) -> Any:
        with self._opener.open(request, timeout=TIMEOUT) as response:
            return json.load(response)

    def _log_in(self) -> str:
        who = {"username": USER, "password": password(self._settings)}
        self._token = self._call("POST", "/auth/token", who)["access_token"]
        return self._token
