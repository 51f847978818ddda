"""What became of Airflow's runs, told as events: each once, no storm, and an Airflow that says nothing."""

import dataclasses
from datetime import timedelta

import pytest

from fakes.airflowruns import AirflowRuns
from fakes.loopback import status
from gopherwood.catalog import Catalog
from gopherwood.errors import ConfigError
from gopherwood.http import Client
from gopherwood.notices import texts
from gopherwood.notices.airflow import Airflow
from gopherwood.notices.runs import Runs


class Watched:
    """An Airflow, and what the outbox says of it."""

    def __init__(self, api: AirflowRuns, catalog: Catalog, clock, settings, client: Client) -> None:
        self.api, self.catalog, self.clock = api, catalog, clock
        self.settings = dataclasses.replace(
            settings,
            airflow_url=api.url,
            airflow_pages="https://airflow.example.org/",
            airflow_user="admin",
            airflow_password=api.password,
        )
        self.runs = Runs(catalog, Airflow(self.settings, client))

    def look(self) -> list[str]:
        """Look, a minute later; return the kinds of the events that were written."""
        before = len(self.catalog.events())
        self.clock.pass_(minutes=1)
        self.runs.look()
        return [each.event.kind for each in self.catalog.events()[before:]]

    def end(self, run: str, state: str, *tasks: str, dag: str = "ingest", **kwargs) -> None:
        """Let a run end now."""
        self.api.end(dag, run, state, self.clock(), *tasks, **kwargs)

    @property
    def last(self) -> dict:
        """What the last event says."""
        return dict(self.catalog.events()[-1].event.payload)


@pytest.fixture
def watched(catalog, clock, tmp_path, desk):
    with AirflowRuns() as api, Client(desk.settings, tries=1) as client:
        made = Watched(api, catalog, clock, desk.settings, client)
        made.end("before", "failed", "fetch")
        assert made.look() == []
        yield made


def test_a_failure_is_told_with_its_task_its_log_and_where_to_look(watched: Watched) -> None:
    """DAG, run, tasks, try, state, last lines and the page of the log are in the event, and people get a line of it."""
    watched.end("run 1", "failed", "fetch", "all_fetched")
    assert watched.look() == ["run-failed"]
    said = watched.last
    assert {name: said[name] for name in ("dag", "run", "state", "tasks", "tries", "last_lines", "page")} == {
        "dag": "ingest",
        "run": "run 1",
        "state": "failed",
        "tasks": "all_fetched, fetch",
        "tries": 4,
        "last_lines": "running gopherwood / it said / gopherwood ended with exit code 3",
        "page": "https://airflow.example.org/dags/ingest/runs/run%201/tasks/all_fetched",
    }
    notice = texts.notice(watched.catalog.events()[-1], [], channel="", mention="")
    assert notice.line == f"DAG ingest: a run failed, in all_fetched, fetch: {said['last_lines']}"
    assert (notice.severity.word, notice.link) == ("warn", said["page"])


def test_each_end_is_told_once(watched: Watched) -> None:
    """Looking again, or with a new notifier, tells nothing anew; an end that became visible late is found."""
    watched.end("run 1", "failed", "fetch")
    assert watched.look() == ["run-failed"]
    watched.api.end("audit", "late", "failed", watched.clock() - timedelta(seconds=90), "heal")
    assert (watched.look(), watched.look(), watched.look()) == (["run-failed"], [], [])
    assert watched.last["dag"] == "audit"


def test_two_notifiers_tell_it_once(watched: Watched) -> None:
    """Who finds that another has told it meanwhile writes nothing."""
    watched.end("run 1", "failed", "fetch")
    was = watched.catalog.cursor("airflow-runs")
    assert watched.look() == ["run-failed"]
    event = watched.catalog.events()[-1].event
    assert watched.catalog.emit_from("airflow-runs", was, "{}", [event]) is False
    assert watched.catalog.emit_from("airflow-runs", None, "{}", [event]) is False
    assert len(watched.catalog.events(kind="run-failed")) == 1


def test_what_goes_on_failing_is_no_storm_and_its_end_is_told(watched: Watched) -> None:
    """The same tasks again are counted only, other tasks are told, so is a day of it; success ends the story."""
    told = []
    for number in range(20):
        watched.end(f"run {number}", "failed", "validate" if number == 3 else "fetch")
        told += watched.look()
        watched.clock.pass_(hours=1)
    assert told == ["run-failed"] * 5  # the first, two changes, and every six hours
    watched.end("good", "success")
    assert (watched.look(), watched.last["failed"]) == (["run-recovered"], 20)
    watched.end("good again", "success")
    assert watched.look() == []


def test_a_run_that_was_cleared_and_now_succeeds_recovers(watched: Watched) -> None:
    """The same run ends anew: its failure is over."""
    watched.end("run 1", "failed", "fetch")
    assert watched.look() == ["run-failed"]
    watched.end("run 1", "success")
    assert watched.look() == ["run-recovered"]


def test_a_run_that_ran_out_of_time_is_told_as_that(watched: Watched) -> None:
    """A run that its DAG's time limit ended has no failed task to look at."""
    watched.end("long", "failed", seconds=7201)
    assert watched.look() == ["run-late"]
    assert (watched.last["limit"], watched.last["tasks"]) == ("2:00:00", "no task")


def test_more_than_a_page_of_runs_is_read(watched: Watched) -> None:
    """A backfill that ends in a minute loses no failure."""
    for number in range(150):
        watched.end(f"run {number:03}", "success")
    watched.end("zz", "failed", "fetch")
    assert watched.look() == ["run-failed"]


def test_an_airflow_that_says_nothing_is_told_once_and_so_is_its_return(watched: Watched) -> None:
    """A scheduler that is dead or an API that answers 500 for five minutes is a page, and nothing is passed over."""
    watched.end("run 1", "failed", "fetch")
    watched.api.fail("api/v2/dags/~/dagRuns/list", status(500), times=3)
    assert [watched.look() for _ in range(3)] == [[], [], []]
    watched.api.scheduler = "unhealthy"
    assert [watched.look() for _ in range(4)] == [["run-failed"], [], ["airflow-silent"], []]
    assert watched.last["detail"] == "its scheduler is unhealthy"
    watched.api.scheduler = "healthy"
    assert (watched.look(), watched.look()) == (["airflow-back"], [])


def test_a_login_that_ran_out_is_renewed(watched: Watched) -> None:
    """A token lives for a day; the notifier for longer. A password that was changed is told as silence."""
    watched.api.token = "second"
    watched.end("run 1", "failed", "fetch")
    assert watched.look() == ["run-failed"]
    watched.api.token, watched.api.password = "third", "another"
    assert "airflow-silent" in [kind for _ in range(7) for kind in watched.look()]
    assert "gave no token" in watched.last["detail"]


def test_a_url_without_a_password_is_refused(watched: Watched) -> None:
    """It says which setting is missing."""
    with pytest.raises(ConfigError, match="GOPHERWOOD_AIRFLOW_PASSWORD"):
        Airflow(dataclasses.replace(watched.settings, airflow_password=""), Client(watched.settings))
