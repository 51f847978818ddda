"""Every DAG, held to the house's policy: parsed by Airflow's own DagBag, its commands by the real argument parser.

Airflow is imported when a test runs, and not by every process that collects tests: it takes seconds.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import airflow_alone
from gopherwood.cli import build_parser
from gopherwood.usage import interval as usage_interval
from gopherwood_airflow.defaults import OWNER, TAGS

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

pytestmark = pytest.mark.xdist_group("airflow")
DAGS = airflow_alone.ROOT / "dags"
NAMES = sorted(path.stem for path in DAGS.glob("*.py"))
INTERVAL = {
    "data_interval_start": datetime(2026, 10, 1, 11, tzinfo=UTC),
    "data_interval_end": datetime(2026, 10, 1, 12, tzinfo=UTC),
    "dag_run": SimpleNamespace(run_type="backfill"),
    "run_id": "manual__2026-10-01T11:00:00+00:00",
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "audit": {"all": True},
    "promote": {"record": "build/releases/x.json", "from": "dev", "to": "ci", "dry_run": True},
    "ingest": {"modules": ["golang.org/x/mod@v0.20.0", "rsc.io/quote@latest"], "closure": True, "max_workers": 3},
    "load_test": {"scenario": "backend", "url": "http://serving:8480", "modules": 100, "duration": 2.5, "rate": 0.5},
    "quality": {"date": "2026-09-30"},
    "chaos": {"experiment": "serving-killed", "execute": True, "serving": "http://serving:8080"},
}
"""Parameters as a person might enter them, for the commands that are made of them."""

ASK_UPSTREAM = {"audit", "discover", "fetch", "validate", "smoke", "quality"}
"""Verbs that may ask an upstream, its checksum database or an index; but for the source `requests` and a verdict."""
STAY_INSIDE = {"plan", "publish", "usage", "loadtest"}


@pytest.fixture(scope="module")
def bag() -> Iterator[DagBag]:
    """Return all DAGs, parsed while no process of ours may open a socket."""
    from airflow.dag_processing.dagbag import DagBag

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a DAG file opened a socket while it was parsed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", forbidden)
        patch.setattr(socket, "getaddrinfo", forbidden)
        yield DagBag(str(DAGS))


@pytest.fixture(params=NAMES)
def dag(bag: DagBag, request: pytest.FixtureRequest) -> DAG:
    """Return each DAG in turn."""
    return bag.dags[request.param]  # type: ignore[return-value]


def field(task: Any, name: str) -> Any:
    """Return an argument of a task, mapped or not."""
    return task.partial_kwargs.get(name) if is_mapped(task) else getattr(task, name)


def is_mapped(task: Any) -> bool:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    return isinstance(task, MappedOperator)


def is_empty(task: Any) -> bool:
    from airflow.providers.standard.operators.empty import EmptyOperator

    return isinstance(task, EmptyOperator)


def serialized(dag: DAG) -> dict[str, Any]:
    """Return a DAG as the scheduler gets it."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.to_dict(dag)


def test_all_parse_without_a_socket(bag: DagBag) -> None:
    """Each file parses, needs no network to do so, and holds one DAG of its own name."""
    assert bag.import_errors == {}
    assert sorted(bag.dags) == NAMES


def test_module_docstring_is_the_runbook(dag: DAG) -> None:
    """The page of a DAG says what it does and what to do when it is red."""
    assert dag.doc_md
    assert "When it is red" in dag.doc_md


def test_file_is_short() -> None:
    """A DAG file has 25 to 80 lines."""
    lengths = {name: len((DAGS / f"{name}.py").read_text().splitlines()) for name in NAMES}
    assert {name: length for name, length in lengths.items() if not 25 <= length <= 80} == {}


def test_every_task_has_an_end(dag: DAG) -> None:
    """Every task has a time limit, and so has every run; few runs are at once."""
    assert [task.task_id for task in dag.tasks if not isinstance(field(task, "execution_timeout"), timedelta)] == []
    assert isinstance(dag.dagrun_timeout, timedelta)
    assert 1 <= dag.max_active_runs <= 3


def test_every_task_is_owned_and_tried_again(dag: DAG) -> None:
    """Every task has the house as owner, and retries with a growing delay but for questions, releases and load."""
    assert {field(task, "owner") for task in dag.tasks} == {OWNER}
    if dag.dag_id not in ("smoke", "promote", "chaos", "load_test"):
        assert {(field(task, "retries"), field(task, "retry_exponential_backoff")) for task in dag.tasks} == {(3, True)}


def test_tags_are_from_the_closed_list(dag: DAG) -> None:
    """A DAG has tags, and only those of the list."""
    assert dag.tags
    assert set(dag.tags) <= TAGS


REPORTED = {"chaos"}
"""DAGs whose last task alone gives the colour: it reads the report of what befell the others, and is red without."""
FORGIVING = {"all_done", "always", "one_done", "all_done_min_one_success", "one_success", "all_failed", "one_failed"}


def seen(task: Any) -> bool:
    """Say whether a failure of a task reaches a last task: through successors that do not forgive it, or being last."""
    after = task.downstream_list
    return not after or any(rule(each) not in FORGIVING and seen(each) for each in after)


def rule(task: Any) -> str:
    """Return the trigger rule of a task."""
    found = field(task, "trigger_rule") or "all_success"
    return str(getattr(found, "value", found))


def test_every_failure_colours_the_run(dag: DAG) -> None:
    """A run's colour is that of its last tasks alone: each task's failure must reach one of them."""
    if dag.dag_id in REPORTED:
        (last,) = [task for task in dag.tasks if not task.downstream_list]
        assert (last.task_id, rule(last)) == ("verdict", "all_done")
        return
    assert [task.task_id for task in dag.tasks if not seen(task)] == []


def test_all_tasks_are_house_operators(dag: DAG) -> None:
    """Every task is a command line of ours; an empty one, which nothing runs, may collect others' colours."""
    kinds = {getattr(task, "operator_class", type(task)).__name__ for task in dag.tasks}
    assert kinds - {"EmptyOperator"} == {"LocalProcess"}


def test_airflow_can_store_it(dag: DAG) -> None:
    """The scheduler gets every DAG through the database."""
    from airflow.serialization.serialized_objects import DagSerialization

    text = json.dumps(serialized(dag))
    assert DagSerialization.from_dict(json.loads(text)).dag_id == dag.dag_id


def commands(dag: DAG) -> Iterator[list[str]]:
    """Yield every command line that a DAG issues, with its defaults and with the example's parameters."""
    for params in ({}, EXAMPLES.get(dag.dag_id, {})):
        context = {"params": {**dag.params.dump(), **params}, **INTERVAL}
        for task in (task for task in dag.tasks if not is_empty(task)):
            if is_mapped(task):
                yield from mapped_commands(task)
            else:
                more = task.render_template(task.more_arguments, context)
                yield [*task.render_template(task.arguments, context), *(json.loads(more or "null") or [])]


def mapped_commands(task: Any) -> Iterator[list[str]]:
    """Yield the command lines of a mapped task for a few results of the task it is mapped over."""
    arguments = task.expand_input.value["arguments"]
    for result in range(3):
        value: Any = result
        for function in arguments.callables:
            value = function(value)
        yield value


def test_real_parser_takes_every_command(dag: DAG, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command line that a DAG issues is one that `gopherwood` understands."""
    issued = list(commands(dag))
    assert issued
    for line in issued:
        try:
            build_parser().parse_args(line)
        except SystemExit:
            pytest.fail(f"gopherwood {' '.join(line)}: {capsys.readouterr().err}")


def test_count_of_modules_is_a_number_whatever_was_entered(dag: DAG) -> None:
    """The label that counts modules renders to a number, also in a run for which nobody entered any."""
    for params in ({}, EXAMPLES.get(dag.dag_id, {})):
        context = {"params": {**dag.params.dump(), **params}, **INTERVAL}
        for template in filter(None, (field(task, "modules") for task in dag.tasks if hasattr(task, "modules"))):
            assert dag.tasks[0].render_template(template, context).isdigit()


def test_tasks_that_ask_an_upstream_may_leave_the_cluster(dag: DAG) -> None:
    """The tasks' chart lets out tasks whose commands ask an upstream, and keeps publishing in."""
    values = yaml.safe_load((airflow_alone.ROOT / "tasks/chart/values.yaml").read_text())
    for task in (task for task in dag.tasks if not is_empty(task)):
        line = next(mapped_commands(task)) if is_mapped(task) else field(task, "arguments")
        may_leave = task.task_id in values["networkPolicy"]["outside"]
        if line[0] in STAY_INSIDE or {"requests", "--verdict"} & set(line):
            assert not may_leave, line
        elif line[0] in ASK_UPSTREAM:
            assert may_leave, line


def test_modules_that_a_person_enters_cannot_be_flags_or_files(bag: DagBag) -> None:
    """The form takes `module@version` and refuses what a command would take for a flag or a file of the machine."""
    pattern = re.compile(bag.dags["ingest"].params.get_param("modules").schema["items"]["pattern"])
    assert [
        text for text in ("rsc.io/quote@v1.5.2", "github.com/BurntSushi/toml@latest") if not pattern.search(text)
    ] == []
    assert [
        text
        for text in ("--seed", "-x@y", "/etc/passwd", "./go.mod", "go.mod", "-", "a b@c", "@v1")
        if pattern.search(text)
    ] == []


ASSETS = (airflow_alone.ROOT / "plugins/gopherwood_airflow/assets.py").read_text()


@pytest.mark.parametrize("name", re.findall(r"^([A-Z_]+) = ", ASSETS, re.MULTILINE))
def test_asset_says_who_emits_and_who_consumes_it(bag: DagBag, name: str) -> None:
    """The words beside an asset are what the DAGs do."""
    from gopherwood_airflow import assets

    asset = getattr(assets, name)
    emitters = {
        dag.dag_id for dag in bag.dags.values() for task in dag.tasks if asset in (field(task, "outlets") or [])
    }
    schedules = {dag.dag_id: json.dumps(serialized(dag)["dag"]["timetable"]) for dag in bag.dags.values()}
    consumers = {name for name, schedule in schedules.items() if asset.uri in schedule}
    text = ASSETS.partition(f"\n{name} = ")[2].partition('"""\n\n')[0]
    said = {word: re.search(rf"{word} by: (.*?)[.;]?\n", text + "\n").group(1) for word in ("Emitted", "Consumed")}  # type: ignore[union-attr]
    assert {name for name in said["Emitted"].split(", ") if name in NAMES} == emitters
    assert {name for name in said["Consumed"].rstrip(".;").split(", ") if name in NAMES} == consumers


def test_discover_fetches_exactly_its_interval(bag: DagBag) -> None:
    """Hours that were missed are caught up, each with its own beginning and end."""
    dag = bag.dags["discover"]
    index = next(line for line in commands(dag) if "index" in line)  # type: ignore[arg-type]
    assert dag.catchup
    assert index[-4:] == ["--since", "2026-10-01T11:00:00+00:00", "--until", "2026-10-01T12:00:00+00:00"]


def test_usage_counts_exactly_its_hour(bag: DagBag) -> None:
    """The interval of a run, also of a backfill, is what its command counts."""
    (line,) = {tuple(line) for line in commands(bag.dags["usage"])}  # type: ignore[arg-type]
    assert line == ("usage", "--since", "2026-10-01T11:00:00+00:00", "--until", "2026-10-01T12:00:00+00:00")
    args = build_parser().parse_args(line)
    assert usage_interval(args) == (INTERVAL["data_interval_start"], INTERVAL["data_interval_end"])


def test_quality_checks_a_day_where_one_is_named_or_made_up_for(bag: DagBag) -> None:
    """A backfill is about its own day, a date that a person enters goes first, any other run is about everything."""
    check, verdict = (bag.dags["quality"].get_task(name) for name in ("check", "verdict"))
    for run_type, date, wanted in (
        ("backfill", None, ["--date", "2026-10-01"]),
        ("manual", "2026-09-30", ["--date", "2026-09-30"]),
        ("asset_triggered", None, []),
        ("scheduled", None, []),
    ):
        context = {**INTERVAL, "params": {"date": date}, "dag_run": SimpleNamespace(run_type=run_type)}
        rendered = [json.loads(task.render_template(task.more_arguments, context)) for task in (check, verdict)]
        assert rendered == [wanted, wanted]


def test_an_experiment_is_rolled_back_and_reported_whatever_happens(bag: DagBag) -> None:
    """Clients play beside the deed, which has a pool of one; what follows is made also when something failed."""
    dag = bag.dags["chaos"]
    tasks = {task.task_id: task for task in dag.tasks}
    assert tasks["baseline"].downstream_task_ids == {"load", "inject"}
    assert [name for name, task in tasks.items() if task.pool == "chaos"] == ["inject"]
    for before, after in (("verify", "restore"), ("restore", "report"), ("report", "verdict")):
        assert (tasks[before].downstream_task_ids, rule(tasks[after])) == ({after}, "all_done")
    assert dag.is_paused_upon_creation
    manual, scheduled = (
        tasks["preflight"].render_template(
            tasks["preflight"].more_arguments, {"params": {"execute": False}, "dag_run": SimpleNamespace(run_type=kind)}
        )
        for kind in ("manual", "scheduled")
    )
    assert (json.loads(manual), json.loads(scheduled)) == ([], ["--execute"])


def test_environment_decides_nothing_at_parse_time_but_pods_and_start() -> None:
    """DAG files and plugins read only settings of their own from the environment."""
    sources = [*DAGS.glob("*.py"), *(airflow_alone.ROOT / "plugins").rglob("*.py")]
    read = {name for path in sources for name in re.findall(r'environ(?:\.get\(|\[)"(\w+)"', path.read_text())}
    own = {"GOPHERWOOD_DISCOVER_SINCE", "GOPHERWOOD_DISCOVER_LOG", "GOPHERWOOD_LOAD_URL", "GOPHERWOOD_LOAD_PAUSED"}
    assert (
        read
        <= {"GOPHERWOOD_POD_IMAGE", "GOPHERWOOD_SERVING_URL", "GOPHERWOOD_SERVING_PUBLIC_URL", "KUBECONFIG", "PATH"}
        | own
    )
    assert "GOPHERWOOD_POD_IMAGE" not in os.environ
