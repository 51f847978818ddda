"""Child processes that never outlive us: asked, killed, and left to the watch when we are killed ourselves."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.up import platform
from gopherwood.up.children import Children, ask_groups_to_end, members

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
FAMILY = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}], process_group=0); {DEAF}"


def wait_for(condition: Callable[[], object]) -> None:
    """Wait till something holds; the test's own time limit ends the wait."""
    while not condition():
        time.sleep(0.02)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Return a supervisor with its logs in a temporary folder."""
    with Children(tmp_path / "logs") as children:
        yield children


def python(code: str) -> list[str]:
    """Return the command line of a line of Python."""
    return [sys.executable, "-c", code]


def test_output_goes_to_a_log_and_the_one_before_is_kept(children: Children) -> None:
    """Each program has a log; a second start of it keeps the first one's as .old."""
    for word in ("first", "second"):
        children.start("program", python(f"print({word!r})"), os.environ).process.wait()
    assert (children.logs / "program.log").read_text() == "second\n"
    assert (children.logs / "program.log.old").read_text() == "first\n"


def test_end_reaches_every_process_of_the_session(children: Children) -> None:
    """A program deaf to SIGTERM, and what it started in a process group of its own, are killed after the grace."""
    child = children.start("family", python(FAMILY), os.environ)
    wait_for(lambda: child.log.read_text().count("up") == 2)
    children.end([child], grace=0.1)
    assert members(child.session) == []
    assert children.running == []


def test_end_waits_for_a_program_that_ends_by_itself(children: Children) -> None:
    """A program that obeys SIGTERM has time to finish."""
    code = (
        "import signal, sys; signal.signal(15, lambda *_: sys.exit('tidied')); print('up', flush=True); signal.pause()"
    )
    child = children.start("polite", python(code), os.environ)
    wait_for(lambda: "up" in child.log.read_text())
    children.end([child])
    assert "tidied" in child.log.read_text()


def test_work_in_hand_is_asked_to_end_first(children: Children) -> None:
    """Other process groups of the session get SIGTERM, the program itself does not."""
    worker = "import time; time.sleep(60)"
    code = f"import subprocess, sys; print(subprocess.call([sys.executable, '-c', {worker!r}], process_group=0))"
    child = children.start("scheduler", python(code), os.environ)
    wait_for(lambda: len(members(child.session)) == 2)
    ask_groups_to_end(child)
    assert child.process.wait() == 0
    assert child.log.read_text() == f"{-signal.SIGTERM}\n"


def test_part_that_dies_is_named_with_its_log(children: Children) -> None:
    """When a part ends by itself, the error says which, how, and what its last words were."""
    child = children.start("serving", python("raise SystemExit('no store')"), os.environ)
    child.process.wait()
    assert children.dead() is child
    error = platform.died(child)
    assert str(error) == "serving ended with exit code 1; everything else is stopped"
    assert str(child.log) in error.hint
    assert "no store" in error.hint


def test_killed_outright_we_leave_nothing(tmp_path: Path) -> None:
    """After SIGKILL of the supervisor the watch ends every session, deaf or not."""
    if (supervisor := os.fork()) == 0:
        with Children(tmp_path) as children:
            child = children.start("family", python(FAMILY), os.environ)
            wait_for(lambda: child.log.read_text().count("up") == 2)
            (tmp_path / "session").write_text(str(child.session))
            (tmp_path / "session").rename(tmp_path / "ready")
            time.sleep(60)
    wait_for((tmp_path / "ready").exists)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    wait_for(lambda: members(int((tmp_path / "ready").read_text())) == [])


def test_state_is_held_by_one(tmp_path: Path) -> None:
    """A second platform on the same folder is refused; the lock goes with its holder."""
    settings = Settings(home=tmp_path)
    with platform.lock(settings), pytest.raises(Exception, match="another `gopherwood up`"), platform.lock(settings):
        pass
    with platform.lock(settings):
        pass


def test_platform_is_for_this_machine_alone(tmp_path: Path) -> None:
    """Any address but loopback is refused, by the name of its setting."""
    with pytest.raises(Exception, match="GOPHERWOOD_SERVING_HOST"):
        platform.check(Settings(home=tmp_path, serving_host="0.0.0.0"))


def test_a_wrong_file_of_notices_stops_before_anything_starts(tmp_path: Path) -> None:
    """It is named with line and key, as `gopherwood notify --check` would."""
    (tmp_path / "notices.toml").write_text('[sinks.ops]\nkind = "fax"\n')
    with pytest.raises(ConfigError, match=r"notices\.toml:2: sinks\.ops\.kind"):
        platform.check(Settings(home=tmp_path))
