"""`gopherwood up` as a newcomer gets it: one Airflow, a fake upstream and a fake index, and everything up to a kill -9.

All tests of a running platform share one, for a start costs half a minute of two cores; the last ones end it.
"""

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fakes.goproxy import GoProxy
from fakes.index import Index
from fakes.up import GOPHERWOOD, Up, free_port, sessions_below, wait_for
from gopherwood import running
from gopherwood.chaos import PHASES
from gopherwood.up import airflow, children

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("airflow")]
TIMES = ("09:30:00", "10:00:00", "11:15:00", "12:59:59.5", "13:00:00")
"""Of one day, when modules hour0, hour1 ... were listed by the index."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Return a platform that has ingested its seed list."""
    folder = tmp_path_factory.mktemp("up")
    with GoProxy() as upstream, Index() as index:
        upstream.add("example.com/good", "v1.0.0")
        upstream.add("example.com/good", "v1.1.0")
        upstream.add("example.com/bad", "v1.0.0", {"go.mod": "module example.com/other\n"})
        upstream.add("example.com/later", "v0.1.0")
        (folder / "seed.txt").write_text("example.com/good@v1.0.0\nexample.com/good@v1.1.0\nexample.com/bad@v1.0.0\n")
        for number, at in enumerate(TIMES):
            upstream.add(f"example.com/hour{number}", "v1.0.0")
            index.add(f"example.com/hour{number}", "v1.0.0", f"2026-03-01T{at}Z")
        platform = Up(folder / "home", upstream, index)
        platform.start()
        yield platform
        platform.stop()


def test_progress_says_what_became_of_each_version(up: Up) -> None:
    """Each version of the seed list is named with its end, and a refused one with the reason."""
    text = "".join(up.said)
    assert re.search(r"published +example.com/good@v1.0.0", text)
    assert re.search(r"rejected +example.com/bad@v1.0.0: \S+: .+", text)
    assert "2 published, 1 rejected, 0 of 3 left" in text


def test_it_says_how_to_go_on(up: Up) -> None:
    """The addresses, the log-in, the GOPROXY line and an example are printed, and the first two work."""
    text = "".join(up.said)
    assert f"export GOPROXY=http://127.0.0.1:{up.serving_port},off" in text
    assert f"log in as admin / {airflow.password(up.settings)}" in text
    assert "go build" in text
    assert re.search(r"export GOSUMDB=\S+\+[0-9a-f]{8}\+\S+", text)
    assert up.get("example.com/good/@v/list").split() == ["v1.0.0", "v1.1.0"]
    assert up.api.has_dag("ingest")


def test_nothing_listens_but_on_loopback(up: Up) -> None:
    """No process of the platform accepts connections from elsewhere, and only two ports are open."""
    listening = set()
    for pid in (pid for session in up.sessions for pid in children.members(session)):
        with contextlib.suppress(psutil.NoSuchProcess):  # a task that has ended meanwhile
            sockets = psutil.Process(pid).net_connections("inet")
            listening |= {tuple(socket.laddr) for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", up.serving_port), ("127.0.0.1", up.airflow_port)}


def test_modules_that_a_person_names_are_ingested(up: Up) -> None:
    """A run of `ingest` with a module in its parameters ends with the module published."""
    run = up.api.trigger("ingest", {"modules": ["example.com/later@latest"]})
    wait_for(lambda: up.api.state("ingest", run) == "success")
    assert up.get("example.com/later/@v/list").split() == ["v0.1.0"]


def test_backfill_fetches_exactly_its_intervals(up: Up) -> None:
    """A backfill of three hours reads the index from the first to the last, and `ingest` follows by itself."""
    body = {"dag_id": "discover", "from_date": "2026-03-01T10:00:00Z", "to_date": "2026-03-01T12:00:00Z"}
    backfill = up.api.post("/api/v2/backfills", body | {"max_active_runs": 3, "reprocess_behavior": "none"})
    wait_for(lambda: up.api.get(f"/api/v2/backfills/{backfill['id']}")["completed_at"])
    wait_for(lambda: [up.state(f"example.com/hour{number}", "v1.0.0") for number in (1, 2, 3)] == ["published"] * 3)
    asked = {query["since"][:19] for query in up.index.pages}
    # The schedule runs on meanwhile: an hour of today may have passed as well.
    assert {since for since in asked if since < "2026-04"} == {f"2026-03-01T{hour}:00:00" for hour in (10, 11, 12)}
    assert [up.state(f"example.com/hour{number}", "v1.0.0") for number in (0, 4)] == [None, None]


def test_views_in_airflow_want_its_login_and_say_what_is_where(up: Up) -> None:
    """Without a login nobody sees anything of the plugin; with one, pages have our numbers, and ask no other host."""
    for path in ("modules", "dag/ingest", "static/style.css", "static/nothing", "dag/nothing"):
        assert up.page(path, login=False)[0] == 401, path
    status, text, policy = up.page("modules")
    assert (status, "example.com/bad@v1.0.0" in text, "default-src 'none'" in policy) == (200, True, True)
    assert re.search(r"<dt>Published</dt><dd>[1-9]", text)
    status, text, _ = up.page("dag/ingest")
    assert (status, "success" in text) == (200, True)
    assert re.findall(r'data-title="published">(\d+)', text)[-1] == "2"
    assert (up.page("dag/nothing")[0], up.page("static/app.py")[0]) == (404, 404)
    assert not re.search(r"(?:src|href)=.https?://(?!127\.0\.0\.1:)", text)


def test_an_experiment_as_a_dag_kills_serving_which_comes_back(up: Up) -> None:
    """A run of the DAG `chaos` kills serving under load; it comes back, nothing is lost, and the verdict colours it."""
    (up.home / "chaos").mkdir(exist_ok=True)
    (up.home / "chaos/opt-in").write_text("serving\n")
    up.api._call("PATCH", "/api/v2/dags/chaos", {"is_paused": False})
    before = running.parts(up.home)["serving"].identity
    run = up.api.trigger("chaos", {"experiment": "serving-killed", "execute": True})
    wait_for(lambda: up.api.state("chaos", run) in ("success", "failed"))
    (report,) = [json.loads(file.read_text()) for file in up.home.glob("reports/chaos/*/report.json")]
    assert [each["identity"] for each in report["victims"]] == [before]
    assert report["clients"]["other_bytes"] == 0
    tasks = up.api.get(f"/api/v2/dags/chaos/dagRuns/{run}/taskInstances")["task_instances"]
    # How soon is not judged here: the machine may be busy.
    colour = {"pass": "success", "fail": "failed"}.get(report["verdict"], "skipped")
    states = dict.fromkeys(PHASES, "success") | {"verdict": colour}
    assert {each["task_id"]: each["state"] for each in tasks} == states, report["reason"]
    assert [each["holds"] for each in report["invariants"]] == [True] * 8
    assert running.parts(up.home)["serving"].identity != before
    up.sessions = sessions_below(up.process.pid)  # the new one, too, must be gone in the end


def test_second_one_on_the_same_state_is_refused(up: Up) -> None:
    """Another `up` on the same folder ends at once and says why, and the first goes on."""
    ports = {"GOPHERWOOD_SERVING_PORT": str(free_port()), "GOPHERWOOD_AIRFLOW_PORT": str(free_port())}
    done = subprocess.run([GOPHERWOOD, "up"], env=up.env | ports, capture_output=True, text=True)
    assert done.returncode == 2
    assert "GOPHERWOOD_HOME" in done.stderr
    assert up.process.poll() is None


def test_taken_port_is_named(up: Up, tmp_path: Path) -> None:
    """A port that somebody has is a clear error with the setting's name, before anything starts."""
    for name in ("SERVING", "AIRFLOW"):
        env = up.env | {"GOPHERWOOD_HOME": str(tmp_path / "home"), "GOPHERWOOD_SERVING_PORT": str(free_port())}
        env |= {"GOPHERWOOD_AIRFLOW_PORT": str(free_port()), f"GOPHERWOOD_{name}_PORT": str(up.airflow_port)}
        done = subprocess.run([GOPHERWOOD, "up"], env=env, capture_output=True, text=True)
        assert (done.returncode, f"GOPHERWOOD_{name}_PORT" in done.stderr) == (2, True)
    assert not (tmp_path / "home").exists()


def test_ctrl_c_leaves_nothing(up: Up) -> None:
    """After SIGINT it ends with 0, and no process and no port of it are left."""
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(40) == 0
    assert up.leftovers() == []
    assert up.says("nothing is left running")


def test_second_start_fetches_nothing(up: Up) -> None:
    """Started again it has what it had, and asks the upstream for no file of it."""
    before = {path: count for path, count in up.upstream.requests.items() if "example.com/good" in path}
    up.start()
    assert up.get("example.com/good/@v/list").split() == ["v1.0.0", "v1.1.0"]
    assert {path: up.upstream.requests[path] for path in before} == before


def test_kill_9_leaves_nothing(up: Up) -> None:
    """Killed outright, it takes all its children with it."""
    up.process.kill()
    up.process.wait()
    wait_for(lambda: not up.leftovers(), 30)
