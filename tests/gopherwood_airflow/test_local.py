"""The local process: the same command line, log, exit codes and way to die as in a pod."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

import airflow_alone

pytestmark = pytest.mark.xdist_group("airflow")

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture(autouse=True)
def imported() -> None:
    """Import Airflow before a test captures logs: its import sets logging up anew."""
    from gopherwood_airflow import pods

    assert pods


def task(code: str, **kwargs: Any) -> Any:
    """Make a task that runs a line of Python instead of `gopherwood`."""
    from gopherwood_airflow.pods import TaskPod

    return TaskPod(task_id="task", arguments=["-c", code], program=[sys.executable], **kwargs)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait till something holds; the test's own time limit ends the wait."""
    while not condition():
        time.sleep(0.01)


WRITES = "import os, sys; open(os.environ['GOPHERWOOD_XCOM'], 'w').write({!r}); sys.exit({})"
"""A command that hands over a text, and ends with a code."""


@pytest.mark.parametrize(
    ("text", "code", "wanted"),
    [
        ('{"report": "reports/load/ui/"}', 0, "https://go.example.org/reports/load/ui/"),
        ('{"report": "/reports/load/ui/"}', 1, "https://go.example.org/reports/load/ui/"),
        ('{"report"', 1, ""),
        ("[1]", 0, ""),
        ('{"report": "https://elsewhere.example.org/x/"}', 0, "https://elsewhere.example.org/x/"),
        ('{"report": "file:///srv/reports/x/"}', 0, ""),
    ],
)
def test_a_result_names_its_report(monkeypatch: pytest.MonkeyPatch, text: str, code: int, wanted: str) -> None:
    """The button of a task leads to the report that its command's result names, also when the command failed."""
    monkeypatch.setenv("GOPHERWOOD_SERVING_URL", "http://inside:8480")
    monkeypatch.setenv("GOPHERWOOD_SERVING_PUBLIC_URL", "https://go.example.org/")
    operator = task(WRITES.format(text, code), report=True)
    with nullcontext() if code == 0 else pytest.raises(airflow_alone.errors().AirflowException):
        operator.execute({})
    (link,) = operator.operator_extra_links
    assert link.get_link(operator, ti_key=None) == wanted


def test_a_task_without_a_report_has_no_button() -> None:
    """Airflow keeps a row for each button of each try: there is none where there is nothing to show."""
    assert task("pass").operator_extra_links == ()
    assert [link.name for link in task("pass", report="quality/").operator_extra_links] == ["Report"]


POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("given back"))
print("up", flush=True)
time.sleep(60)
"""


def in_thread(operator: Any) -> tuple[threading.Thread, list[Exception]]:
    """Start a task in a thread; return it and the list that its error will be in."""
    errors: list[Exception] = []

    def execute() -> None:
        try:
            operator.execute({})
        except airflow_alone.errors().AirflowException as error:
            errors.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    return thread, errors


def test_log_arrives_line_by_line_while_the_command_runs() -> None:
    """A line is in the task's log before the command has ended."""
    go_on = Path(os.environ["AIRFLOW_HOME"], "go-on")
    code = f"import os, time\nprint('first', flush=True)\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.01)"
    with capture_logs() as lines:
        thread = threading.Thread(target=task(code).execute, args=({},))
        thread.start()
        wait_for(lambda: any(line["event"] == "first" for line in lines))
        assert thread.is_alive()
        go_on.touch()
        thread.join()


def test_json_lines_of_ours_become_log_lines() -> None:
    """A JSON line of the command is logged at its level, as text."""
    with capture_logs() as lines:
        task("""print('{"time": "now", "level": "warning", "event": "slow", "n": 3}')""").execute({})
    assert ("warning", "slow n=3") in [(line["log_level"], line["event"]) for line in lines]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (99, "AirflowSkipException"),
        (2, "AirflowFailException"),
        (3, "AirflowFailException"),
        (1, "AirflowException"),
        (77, "AirflowException"),
    ],
)
def test_exit_codes_mean_what_the_house_says(code: int, error: str) -> None:
    """99 is skipped, 2 and 3 fail for good, anything else is tried again."""
    with pytest.raises(airflow_alone.errors().AirflowException) as caught:
        task(f"raise SystemExit({code})").execute({})
    assert type(caught.value).__name__ == error


def test_result_comes_back_when_it_is_asked_for() -> None:
    """What a command writes to the file GOPHERWOOD_XCOM is the task's return value."""
    code = "import os; open(os.environ['GOPHERWOOD_XCOM'], 'w').write('[0, 1]')"
    assert task(code, result=True).execute({}) == [0, 1]
    assert task(code).execute({}) is None


def test_condition_that_does_not_hold_starts_nothing(tmp_path: Path) -> None:
    """A task whose condition renders to something false is skipped before its command starts."""
    for text in ("", "False", "[]", "0", "None"):
        with pytest.raises(airflow_alone.errors().AirflowSkipException):
            task(f"open({str(tmp_path / 'ran')!r}, 'w')", only_if=text).execute({})
    assert list(tmp_path.iterdir()) == []


def test_more_arguments_are_appended_as_they_are(tmp_path: Path) -> None:
    """A list that a person entered reaches the command item by item, and no shell reads it."""
    code = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write('|'.join(sys.argv[1:]))"
    task(code, more_arguments='["a b", "$(id)", "c;d"]').execute({})
    assert (tmp_path / "got").read_text() == "a b|$(id)|c;d"


def test_kill_asks_first_and_then_kills_the_group() -> None:
    """A command that is deaf to SIGTERM, and its child, are gone after the grace."""
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); {STUBBORN}"
    operator = task(code)
    with capture_logs() as lines:
        thread, _ = in_thread(operator)
        wait_for(lambda: [line["event"] for line in lines].count("deaf") == 2)
        operator.on_kill()
        thread.join()
    assert alive_in_group(operator._process.pid) == []


def test_kill_lets_the_command_say_its_last_words() -> None:
    """After SIGTERM the command's output is still read, and the task fails, to be tried again."""
    operator = task(POLITE)
    with capture_logs() as lines:
        thread, errors = in_thread(operator)
        wait_for(lambda: any(line["event"] == "up" for line in lines))
        operator.on_kill()
        thread.join()
    assert "given back" in [line["event"] for line in lines]
    assert [type(error) for error in errors] == [airflow_alone.errors().AirflowException]


def test_timeout_ends_the_command() -> None:
    """When Airflow's timeout interrupts the task, nothing of the command is left."""
    operator = task("import time; time.sleep(60)")

    def timeout(*_: object) -> None:
        raise airflow_alone.errors().AirflowTaskTimeout

    old = signal.signal(signal.SIGALRM, timeout)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with pytest.raises(airflow_alone.errors().AirflowTaskTimeout):
        operator.execute({})
    signal.signal(signal.SIGALRM, old)
    assert operator._process.returncode == -signal.SIGTERM


def test_command_dies_with_a_task_that_is_killed_outright() -> None:
    """SIGKILL of the task's process leaves no orphan at work."""
    from gopherwood_airflow import local

    readable, writable = os.pipe()
    if (parent := os.fork()) == 0:
        command = local.start([sys.executable, "-c", STUBBORN], {})
        assert command.stdout is not None
        command.stdout.readline()
        os.write(writable, str(command.pid).encode())
        time.sleep(60)
    command_pid = int(os.read(readable, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait_for(lambda: is_gone(command_pid))


def alive_in_group(group: int) -> list[list[str]]:
    """List the processes of a group that have not ended."""
    stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
    return [stat for stat in stats if int(stat[2]) == group and stat[0] != "Z"]


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_command_is_told_whose_work_it_is(tmp_path: Path) -> None:
    """DAG, run, task, try and the run's trace are in its environment, in the words of Airflow and of W3C."""
    from gopherwood_airflow import trace

    ti = SimpleNamespace(dag_id="ingest", task_id="fetch", try_number=2, map_index=3)
    code = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'env')!r}, 'w'))"
    task(code).execute({"ti": ti, "run_id": "manual__1"})
    env = json.loads((tmp_path / "env").read_text())
    assert {name: text for name, text in env.items() if name.startswith("AIRFLOW_CTX_")} == {
        "AIRFLOW_CTX_DAG_ID": "ingest",
        "AIRFLOW_CTX_TASK_ID": "fetch",
        "AIRFLOW_CTX_DAG_RUN_ID": "manual__1",
        "AIRFLOW_CTX_TRY_NUMBER": "2",
        "AIRFLOW_CTX_MAP_INDEX": "3",
    }
    version, trace_id, span, flags = env["TRACEPARENT"].split("-")
    assert (version, len(trace_id), len(span), flags) == ("00", 32, 16, "01")
    assert trace_id == trace.traceparent("ingest", "manual__1").split("-")[1]
