"""The log of real commands as a pod has it: fetching, refusing, healing, failing, crashing, in a run of Airflow."""

import contextlib
import io

import pytest

from fakes.goproxy import GoProxy, truncated
from gopherwood import cli, commands
from gopherwood_airflow import trace

RUN = "scheduled__2026-03-01T12:00:00+00:00"
DSN = "postgresql+psycopg://gopherwood:hunter2-in-the-url@127.0.0.1:1/none"


def said_by(*arguments: str) -> list[str]:
    """Run a command in this process; return the lines of its log."""
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        cli.main([*arguments, "--log", "json"])
    return stderr.getvalue().splitlines()


@pytest.fixture(scope="session")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the lines of some commands that were tasks of one run."""
    home = tmp_path_factory.mktemp("home")
    environ = {"GOPHERWOOD_HOME": str(home), "GOPHERWOOD_SUMDB": "off", "GOPHERWOOD_MAX_ATTEMPTS": "1"}
    with pytest.MonkeyPatch.context() as patch, GoProxy() as proxy:
        proxy.add("example.com/good", "v1.0.0")
        proxy.add("example.com/cut", "v1.0.0")
        proxy.fail("example.com/cut/@v/v1.0.0.zip", truncated)
        proxy.add("example.com/bad", "v1.0.0", {"go.mod": "module example.com/other\n"})
        for name, text in {**environ, "GOPHERWOOD_UPSTREAM": proxy.url}.items():
            patch.setenv(name, text)
        wanted = [f"example.com/{name}@v1.0.0" for name in ("good", "cut", "bad", "gone")]
        found = said_by("discover", *wanted)
        for number, verb in enumerate(("fetch", "validate", "publish"), 1):
            patch.setenv("AIRFLOW_CTX_DAG_ID", "ingest")
            patch.setenv("AIRFLOW_CTX_TASK_ID", verb)
            patch.setenv("AIRFLOW_CTX_DAG_RUN_ID", RUN)
            patch.setenv("AIRFLOW_CTX_TRY_NUMBER", str(number))
            patch.setenv("TRACEPARENT", trace.traceparent("ingest", RUN, verb, -1, number))
            found += said_by(verb)
        patch.setenv("TRACEPARENT", "00-not-a-trace-01")
        (next(home.rglob("v1.0.0.zip"))).write_bytes(b"damaged")
        proxy.fail("example.com/good/@v/v1.0.0.zip", truncated)  # nothing to heal it from
        found += said_by("audit", "--scrub", "--all")
        found += said_by("status", "--catalog", DSN)
        found += said_by("status", "no-such-module@v1")
        patch.setitem(commands.COMMANDS, "status", lambda *_: 1 // 0)
        found += said_by("status")
    return found
