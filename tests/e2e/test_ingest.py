"""ingest, as a user runs it: a command, a queue that drains, and nothing lost whatever is killed when."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import sumdb as fake
from fakes.goproxy import GoProxy, slow, status
from gopherwood import store, toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.states import State

VERSIONS = [ModuleVersion(f"example.com/M{n % 7}", f"v1.{n}.0") for n in range(40)]
LAST = VERSIONS[-1]


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    """Serve forty versions of seven modules."""
    with GoProxy() as server:
        for mv in VERSIONS:
            server.add(mv.path, mv.version)
        yield server


@pytest.fixture
def log(proxy: GoProxy, tmp_path: Path) -> fake.SumDBLog:
    """Put a checksum database that knows them behind it."""

    def find(mv: ModuleVersion) -> fake.Sums:
        file = tmp_path / "summed.zip"
        file.write_bytes(proxy.files[proxy.key(mv.path, mv.version, ".zip")])
        return fake.sums(file, proxy.files[proxy.key(mv.path, mv.version, ".mod")])

    log = fake.SumDBLog({mv: find(mv) for mv in VERSIONS})
    proxy.mount(f"sumdb/{log.name}", log.answer)
    return log


@pytest.fixture
def settings(tmp_path: Path, proxy: GoProxy, log: fake.SumDBLog) -> Settings:
    return Settings(home=tmp_path / "home", upstream=proxy.url, sumdb=log.vkey)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Give a way to start `gopherwood ingest`; whatever still runs at the end is killed."""
    started = []
    environ = os.environ | {
        "GOPHERWOOD_HOME": str(settings.home),
        "GOPHERWOOD_UPSTREAM": settings.upstream,
        "GOPHERWOOD_SUMDB": settings.sumdb,
    }

    def begin(*arguments: object, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "gopherwood", "ingest", *map(str, arguments)]
        started.append(subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=stderr, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> dict[str, object]:
    """Wait for the end of an ingestion and return its result."""
    out, err = process.communicate(timeout=60)
    assert out, err
    result: dict[str, object] = json.loads(out)
    return result


def counts(settings: Settings) -> dict[State, int]:
    with Catalog.open(settings) as catalog:
        return {state: count for state, count in catalog.counts().items() if count}


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_with_the_upstream_off_nobody_waits_for_retries(start: Start) -> None:
    """What cannot be fetched is named at once, with the setting that forbids it; exit code 1: it is still wanted."""
    result = ended(start(LAST, "--upstream", "off"))
    assert (result["left"], result["exit_code"]) == (1, 1)
    assert "the upstream is off (--upstream" in str(result["refused"])


def test_everything_wanted_is_published_and_never_fetched_again(start: Start, proxy: GoProxy) -> None:
    """Forty versions by two workers, every check on; the second run says 99 and asks the upstream for nothing."""
    first = ended(start(*VERSIONS, "--workers", 2))
    assert (first["published"], first["left"], first["exit_code"]) == (40, 0, 0)
    asked = sum(proxy.requests.values())
    assert ended(start(*VERSIONS))["exit_code"] == 99
    assert sum(proxy.requests.values()) == asked


def test_the_store_is_a_tree_that_go_reads(start: Start, settings: Settings, tmp_path: Path) -> None:
    """The stock go command downloads a version from the store itself, GOPROXY=file://..., and finds its list."""
    ended(start(*VERSIONS))
    environ = os.environ | {"GOPROXY": f"{settings.store_url},off", "GOSUMDB": "off", "GOTOOLCHAIN": "local"}
    environ |= {"GOPATH": str(tmp_path / "gopath"), "GOFLAGS": "-modcacherw"}
    for arguments in (["download", str(LAST)], ["download", f"{LAST.path}@latest"]):
        subprocess.run([toolchain.find_go(), "mod", *arguments], cwd=tmp_path, env=environ, check=True)


def test_refusals_are_told_while_it_runs_and_at_the_end(start: Start, proxy: GoProxy) -> None:
    """What was rejected or is gone is a log line with its reason, a line of the result, and no failure."""
    made = proxy.add("example.com/bad", "v1.0.0")
    proxy.put("example.com/bad", "v1.0.0", made._replace(zip=b"poison"))
    process = start("example.com/bad@v1.0.0", "example.com/nosuch@v1.0.0", VERSIONS[0])
    out, err = process.communicate(timeout=60)
    result = json.loads(out)
    assert (result["published"], result["rejected"], result["gone"], result["exit_code"]) == (1, 1, 1, 0)
    told = {
        f"{line['module']}@{line['version']}": line["reason"]
        for line in map(json.loads, err.splitlines())
        if "reason" in line
    }
    assert told == {"example.com/bad@v1.0.0": "invalid-zip", "example.com/nosuch@v1.0.0": "not-found"}
    assert {row["module"] for row in result["refused"]} == told.keys()


def test_a_forged_zip_is_exit_code_3(start: Start, proxy: GoProxy, log: fake.SumDBLog) -> None:
    """Content that the checksum database does not know by this hash stops nobody else, and pages somebody."""
    for mv in VERSIONS:
        log.add(mv)
    proxy.add(LAST.path, LAST.version, {"m.go": "package backdoor"})
    result = ended(start(*VERSIONS))
    assert (result["published"], result["rejected"], result["exit_code"]) == (39, 1, 3)


def test_what_cannot_be_had_now_is_left_for_later(start: Start, proxy: GoProxy) -> None:
    """An upstream that fails is waited for as long as --wait says; the rest is published, the exit code is 1."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".mod"), status(500))
    result = ended(start(*VERSIONS, "--wait", 1))
    assert (result["published"], result["left"], result["exit_code"]) == (39, 1, 1)


def test_what_failed_before_is_told_by_the_next_run_too(start: Start, proxy: GoProxy) -> None:
    """A run that finds a version failed, and leaves it so, names it with its reason."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".mod"), status(500))
    ended(start(LAST, "--wait", 1))
    result = ended(start(LAST, "--wait", 1))
    assert [(row["module"], row["reason"]) for row in refused(result)] == [(str(LAST), "upstream")]


def test_a_conflict_is_told_and_is_exit_code_3(start: Start, settings: Settings) -> None:
    """Other bytes under a name that the store has: the version that is held for it is in the result."""
    open_objects(settings.store_url, settings=settings).create(store.key(LAST, ".mod"), b"module example.com/other\n")
    result = ended(start(LAST))
    assert [(row["module"], row["state"]) for row in refused(result)] == [(str(LAST), "held")]
    assert result["exit_code"] == 3


def refused(result: dict[str, object]) -> list[dict[str, str]]:
    found = result["refused"]
    assert isinstance(found, list)
    return found


def test_ctrl_c_ends_within_seconds_and_gives_leases_back(start: Start, proxy: GoProxy, settings: Settings) -> None:
    """Told to end in the middle of a download, it leaves no lease behind; the next run does the rest."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".zip"), slow(60), times=1)
    process = start(*VERSIONS)
    until(lambda: proxy.requests[proxy.key(LAST.path, LAST.version, ".zip")])
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert State.LEASED not in counts(settings), said
    assert ended(start())["exit_code"] == 0
    assert counts(settings) == {State.PUBLISHED: 40}


def test_a_killed_worker_is_replaced(start: Start, proxy: GoProxy, settings: Settings) -> None:
    """SIGKILL of a worker costs its leases' time, and nothing else."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".zip"), slow(60), times=1)
    process = start(*VERSIONS, "--workers", 1, "--lease-seconds", 2)
    until(lambda: proxy.requests[proxy.key(LAST.path, LAST.version, ".zip")])
    os.kill(workers_of(process)[0], signal.SIGKILL)
    assert ended(process)["exit_code"] == 0
    assert counts(settings) == {State.PUBLISHED: 40}


def test_workers_end_when_their_parent_is_killed(start: Start, proxy: GoProxy, settings: Settings) -> None:
    """SIGKILL of the command leaves no process behind, and the next run publishes everything."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".zip"), slow(2), times=1)
    process = start(*VERSIONS, "--lease-seconds", 3)
    until(lambda: proxy.requests[proxy.key(LAST.path, LAST.version, ".zip")])
    orphans = workers_of(process)
    process.kill()
    until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in orphans))
    assert ended(start())["exit_code"] == 0
    assert counts(settings) == {State.PUBLISHED: 40}


def workers_of(process: "subprocess.Popen[str]") -> list[int]:
    """Return the ids of an ingestion's worker processes."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_a_terminal_shows_a_bar_and_a_summary(start: Start) -> None:
    """On a terminal there is a bar that ends full, and words instead of JSON."""
    process, ours = on_terminal(start, *VERSIONS)
    shown = read(ours)
    process.communicate(timeout=60)
    assert b"40/40" in shown
    assert b'"event"' not in shown


def test_a_terminal_says_when_the_next_try_is(start: Start, proxy: GoProxy) -> None:
    """While all that is left waits for a retry the bar says for how long, and that Ctrl-C loses nothing."""
    proxy.fail(proxy.key(LAST.path, LAST.version, ".mod"), status(500))
    process, ours = on_terminal(start, LAST, "--wait", 60)
    shown = read(ours, till=b"for the next run")
    process.send_signal(signal.SIGINT)
    read(ours)
    process.communicate(timeout=20)
    assert re.search(rb"1 failed, next try in \d+ s; Ctrl-C leaves it for the next run", shown)
    assert process.returncode == 1


def on_terminal(start: Start, *arguments: object) -> "tuple[subprocess.Popen[str], int]":
    """Start an ingestion whose stderr is a wide terminal; return it and our end of the terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 160))
    process = start(*arguments, stderr=theirs)
    os.close(theirs)
    return process, ours


def read(terminal: int, till: bytes = b"\0") -> bytes:
    """Return what a terminal shows, up to its end or to some words."""
    shown = b""
    try:
        while till not in shown and (block := os.read(terminal, 65536)):
            shown += block
    except OSError:  # how a terminal ends
        pass
    return shown


def test_a_database_that_lies_is_named_in_the_result(start: Start, log: fake.SumDBLog) -> None:
    """A head with a bad signature: exit code 3; the result names the version and says why, though it stays staged."""
    log.spoil("lookup/", fake.bad_signature)
    result = ended(start(LAST))
    assert (result["exit_code"], result["published"], result["left"]) == (3, 0, 1)
    (row,) = result["refused"]  # type: ignore[misc]
    assert (row["module"], row["state"], row["reason"]) == (str(LAST), "staged", "bad-proof")
    assert "invalid signature" in row["detail"]
