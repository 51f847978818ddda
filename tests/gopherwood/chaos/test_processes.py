"""Experiments on a real serving process that is started again when it dies, as `gopherwood up` does: each verdict."""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import logged
from fakes.lab import Lab
from gopherwood import running
from gopherwood.catalog import Catalog
from gopherwood.chaos import clients
from gopherwood.chaos import experiment as experiments
from gopherwood.chaos.verb import RolledBack
from gopherwood.config import Settings
from gopherwood.up.children import Children

pytestmark = [pytest.mark.xdist_group("chaos-processes")]


@pytest.fixture(scope="module")
def platform(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Run serving on a copy of the published home, and start it again when it has ended."""
    home = shutil.copytree(published, tmp_path_factory.mktemp("up") / "home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=home, ledger_key=logged.SECRET, serving_port=port)
    own = {"GOPHERWOOD_HOME": str(home), "GOPHERWOOD_SERVING_PORT": str(port), "GOPHERWOOD_SERVING_GRACE": "0.05"}
    program = [str(Path(sys.executable).with_name("gopherwood-serving"))]
    over = threading.Event()

    def watch(children: Children) -> None:
        while not over.wait(0.05):
            if child := children.dead():
                children.again(child)

    with Children(home / "logs") as children:
        children.start("serving", program, os.environ | own)
        watcher = threading.Thread(target=watch, args=(children,), daemon=True)
        watcher.start()
        lab = Lab(settings, f"http://127.0.0.1:{port}")
        wait_ready(lab)
        yield lab
        over.set()
        watcher.join()


def identity(lab: Lab) -> str:
    return running.parts(lab.home)["serving"].identity


def wait_ready(lab: Lab) -> None:
    pause = threading.Event()
    while True:
        try:
            with urllib.request.urlopen(f"{lab.serving}/readyz", timeout=5):
                return
        except OSError:
            pause.wait(0.05)


@pytest.fixture
def lab(platform: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Return the platform, ready, in which serving may be hit; the machine may be as busy as it likes."""
    monkeypatch.setattr(clients, "LATE", 60.0)
    monkeypatch.setattr(clients, "SLOW", 60.0)
    wait_ready(platform)
    platform.opt_in("serving")
    yield platform
    (platform.home / "chaos/opt-in").unlink(missing_ok=True)


@pytest.fixture
def file(tmp_path: Path):
    """Return a function that makes a file of an experiment with short waits, and with changes."""

    def make(name: str, guard: dict | None = None, tolerate: dict | None = None, **watching: float) -> str:
        said = json.loads(experiments.shipped()[name].read_text())
        more = said["extensions"][0]
        short = {"rate": 40, "before_seconds": 0.5, "longest_seconds": 60, "settle_seconds": 0.5}
        more["guard"] |= {"minimum_age_seconds": 0.1} | (guard or {})
        more["observe"] |= short | watching
        more["tolerate"] |= {"recovery_seconds": 100, "error_window_seconds": 100} | (tolerate or {})
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(said))
        return str(path)

    return make


def test_killed_serving_comes_back(lab, file):
    """It passes: who was hit, when it was back, what clients saw and the store are in the report, and told."""
    before = identity(lab)
    found = lab.execute(file("serving-killed"))
    assert (found.verdict, found.reason, found.exit_code) == ("pass", "", 0)
    assert identity(lab) != before
    report = json.loads((lab.home / "reports/chaos" / found.run / "report.json").read_text())
    assert [each["identity"] for each in report["victims"]] == [before]
    assert report["clients"]["failed"] > 0
    assert report["clients"]["other_bytes"] == 0
    assert report["clients"]["recovery_seconds"] > 0
    assert report["ready_seconds"] > 0
    assert [each["holds"] for each in report["invariants"]] == [True] * 8
    page = (lab.home / "reports/chaos" / found.run / "index.html").read_text()
    assert "What clients saw" in page
    with Catalog.open(lab.settings) as catalog:
        assert catalog.events(kind="chaos-pass")[-1].event.payload["run"] == found.run
    assert not (lab.home / "reports/chaos/running").exists()


def test_nobody_who_has_not_opted_in_is_hit(lab, file):
    """Without the line in the file it is refused, and serving lives on."""
    lab.opt_in("airflow-scheduler")
    before = identity(lab)
    found = lab.execute(file("serving-killed"))
    assert (found.verdict, found.exit_code) == ("refused", 99)
    assert "has opted in" in found.reason
    assert identity(lab) == before


def test_without_execute_it_is_a_dry_run(lab, file):
    """It says who would be hit, and hits nobody."""
    before = identity(lab)
    found = lab.chaos(file("serving-killed"))
    assert (found.verdict, "send SIGKILL to serving" in found.reason) == ("dry-run", True)
    assert identity(lab) == before


def test_what_is_not_well_before_is_not_tried(lab, file):
    """Where serving does not answer where it should, nobody is hit: inconclusive."""
    before = identity(lab)
    found = Lab(lab.settings, "http://127.0.0.1:9").execute(file("serving-killed"))
    assert (found.verdict, found.exit_code) == ("inconclusive", 99)
    assert "not steady before" in found.reason
    assert identity(lab) == before


def test_deleting_the_file_ends_and_rolls_back(lab, file, when):
    """A frozen serving goes on when somebody presses the stop button: its file."""
    button = lab.home / "reports/chaos/running"
    when(lambda: button.exists() and frozen(lab), button.unlink)
    found = lab.execute(file("serving-frozen", longest_seconds=15))
    assert (found.verdict, "stop button" in found.reason) == ("inconclusive", True)
    assert not frozen(lab)
    assert "goes on" in lab.journal(found.run).last("undone")["says"]


def frozen(lab: Lab) -> bool:
    pid = running.parts(lab.home)["serving"].pid
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_one_experiment_at_a_time(lab, file):
    """While another has its turn it is refused; once that has ended, it is not."""
    button = lab.home / "reports/chaos/running"
    button.write_text("another")
    with Catalog.open(lab.settings) as catalog:
        assert catalog.take_turn("chaos", "another", 60).owner == "another"
        assert "another is under way" in lab.execute(file("serving-killed")).reason
        assert button.read_text() == "another"  # whose button it is, and not ours to press
        catalog.give_back_turn("chaos", "another")
    button.unlink()
    assert lab.chaos(file("serving-killed")).verdict == "dry-run"


def test_what_a_killed_runner_left_is_rolled_back(lab, file):
    """A runner that died after it froze serving has left word; the next command undoes it, once, and reports."""
    process = running.parts(lab.home)["serving"]
    experiment = file("serving-frozen")
    lab.chaos(experiment, "--execute", "--phase", "preflight", "--run", "left")
    victim = {"kind": "process", "name": "serving", "identity": process.identity, "role": "serving"}
    journal = lab.journal("left")
    journal.head["experiment"] = experiment
    journal.add("begin", deed=1, does="send SIGSTOP to", victim=victim | {"node": "", "age_seconds": 1})
    os.kill(process.pid, signal.SIGSTOP)
    assert lab.chaos().left == ["left"]
    assert "left is under way" in lab.execute(file("serving-killed")).reason
    found = lab.chaos("--roll-back")
    assert isinstance(found, RolledBack)
    assert (found.runs, found.exit_code, frozen(lab)) == (["left"], 0, False)
    assert lab.chaos("--roll-back").exit_code == 99
    assert lab.chaos().left == []


def test_phases_of_a_run_may_be_processes_of_their_own(lab, file):
    """Each phase finds in the journal what those before it did; what is not tolerated fails in the last one alone."""
    name = file("serving-killed", tolerate={"failed_requests": 0})

    def phase(which: str) -> int:
        more = ["--execute"] if which == "preflight" else []
        return lab.chaos(name, "--phase", which, "--run", "phases", *more).exit_code

    assert [phase("preflight"), phase("baseline")] == [0, 0]
    load = threading.Thread(target=phase, args=("load",))
    load.start()
    assert phase("inject") == 0
    load.join()
    assert [phase(each) for each in ("verify", "restore", "report", "verdict")] == [0, 0, 0, 1]
    verdict = lab.chaos(name, "--phase", "verdict", "--run", "phases")
    assert (verdict.verdict, "failed requests, at most 0" in verdict.reason) == ("fail", True)


def test_phases_after_a_refusal_do_nothing_and_the_verdict_is_refused(lab, file):
    """A guard rail's no skips what follows; restore and report are made, and the verdict makes nothing red."""
    lab.opt_in()
    name = file("serving-killed")

    def phase(which: str) -> int:
        return lab.chaos(name, "--execute", "--phase", which, "--run", "no").exit_code

    codes = [phase(each) for each in ("preflight", "baseline", "load", "inject", "verify", "restore", "report")]
    assert codes == [99, 99, 99, 99, 99, 0, 0]
    assert phase("verdict") == 99
