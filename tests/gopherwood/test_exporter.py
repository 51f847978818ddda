"""The batch side as metrics: a scrape says what the catalog knows, and says so when it knows nothing."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.airflowapi import AirflowApi
from fakes.exporter import Exporter, samples
from fakes.site import Site
from gopherwood import cli
from gopherwood.catalog import Event, utc_now
from gopherwood.config import Settings
from gopherwood.errors import StorageError, UpstreamError
from gopherwood.exporter import platform, source, verb
from gopherwood.exporter.airflow import Airflow
from gopherwood.exporter.families import gauge, render
from gopherwood.exporter.source import Source
from gopherwood.http import Client
from gopherwood.notices import texts


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a platform with a little of everything; its server is not started."""
    made = Site.new(tmp_path_factory.mktemp("home"))
    made.publish("example.com/m", "v1.0.0")
    made.publish("example.com/m", "v1.1.0")
    made.reject("example.com/bad", "v1.0.0", "invalid-zip", "it is no zip")
    made.reject("example.com/bad", "v1.1.0", "made-up-by-somebody", "who knows")
    made.catalog.take_sink("ops", "me", 60)
    made.catalog.take_sink("removed", "me", 60)
    made.catalog.emit(Event("conflict", "example.com/m@v1.0.0"), Event("of-another-release", "x"))
    made.catalog.record_damage("example.com/m", "v1.0.0", ".zip", kind="hash", expected="a", found="b")
    made.settings.notices_path.write_text("[sinks.ops]\nkind = 'atom'\n")
    yield made
    made.catalog.close()


@pytest.fixture(scope="module")
def scrape(site: Site) -> Iterator[dict[str, float]]:
    """Return a scrape of a real process, which ends when it is told to."""
    exporter = Exporter(site.settings)
    with exporter:
        assert exporter.get("/healthz") == "ok\n"
        yield exporter.scrape()
        assert exporter.stop() == 0


def test_a_scrape_says_what_the_catalog_knows(scrape: dict[str, float]) -> None:
    """Published, rejected, damaged, in conflict, and what waits for a sink: each number is the catalog's."""
    expected = {
        "gopherwood_published_total": 2,
        'gopherwood_versions{state="published"}': 2,
        'gopherwood_versions{state="queued"}': 0,
        'gopherwood_rejected_versions{reason="invalid-zip"}': 1,
        'gopherwood_events_total{kind="conflict"}': 1,
        'gopherwood_events_total{kind="integrity"}': 0,
        "gopherwood_damages_total": 1,
        "gopherwood_open_damages": 1,
        'gopherwood_freshness_seconds_bucket{le="60"}': 2,
        "gopherwood_freshness_seconds_count": 2,
        'gopherwood_notices_waiting{sink="ops"}': 3,
        "gopherwood_queue_workers": 0,
        'gopherwood_exporter_up{source="catalog"}': 1,
    }
    assert {name: scrape[name] for name in expected} == expected
    assert abs(scrape["gopherwood_last_published_timestamp_seconds"] - time.time()) < 300


def test_no_name_that_others_chose_is_a_label(scrape: dict[str, float]) -> None:
    """Unknown reasons and kinds are told together; no module's name is told; nor is a sink that is in no file."""
    assert scrape['gopherwood_rejected_versions{reason="other"}'] == 1
    assert scrape['gopherwood_events_total{kind="other"}'] == 1
    assert not [name for name in scrape if "example" in name or "made-up" in name or "removed" in name]


def test_every_metric_is_explained(scrape: dict[str, float]) -> None:
    """docs/monitoring.md says what each is."""
    page = (Path(__file__).resolve().parents[2] / "docs/monitoring.md").read_text()
    names = {re.sub(r"(_bucket|_sum|_count)?(\{.*)?$", "", name) for name in scrape}
    assert [name for name in sorted(names) if f"`{name}" not in page] == []


def test_kinds_are_those_that_notices_tell() -> None:
    """A kind of event that is told to people is counted by its name."""
    assert set(platform.KINDS) == set(texts.KINDS)


def test_a_catalog_that_does_not_answer_is_said_to_be_down(tmp_path: Path) -> None:
    """Then there is no number of it: an old one would look like a calm one."""
    settings = Settings(home=tmp_path)  # never migrated
    with platform.Catalog.open(settings) as catalog:
        told = samples(verb.scrape([Source("catalog", platform.Platform(catalog, settings).ask, keep=0)]).decode())
    assert told['gopherwood_exporter_up{source="catalog"}'] == 0
    assert not [name for name in told if name.startswith("gopherwood_versions")]


def test_a_storm_of_scrapes_is_one_question() -> None:
    """Fifty scrapes at once, and more within the time that an answer is good for, ask once."""
    asked = []

    def ask() -> list[source.Metric]:
        asked.append(1)
        return [gauge("x", "X.", 1)]

    one = Source("catalog", ask, keep=60)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: render(one.metrics()), range(50)))
    assert (len(asked), set(answers)) == (1, {render([gauge("x", "X.", 1)])})


def test_a_scrape_waits_for_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that hangs is asked once, however often others come; its answer counts when it comes."""
    monkeypatch.setattr(source, "PATIENCE", 0.05)
    released, asked = threading.Event(), []

    def ask() -> list[source.Metric]:
        asked.append(1)
        released.wait(20)
        return [gauge("x", "X.", 1)]

    one = Source("catalog", ask, keep=60)
    assert [list(one.metrics()), list(one.metrics()), one.is_up] == [[], [], False]
    released.set()
    monkeypatch.setattr(source, "PATIENCE", 20)
    assert [len(one.metrics()), one.is_up, len(asked)] == [1, True, 1]


def test_one_that_fails_is_asked_again() -> None:
    """A failure is kept no longer than an answer."""
    answers = iter([StorageError("gone"), [gauge("x", "X.", 1)]])

    def ask() -> list[source.Metric]:
        answer = next(answers)
        if isinstance(answer, StorageError):
            raise answer
        return answer

    one = Source("catalog", ask, keep=0)
    assert [len(one.metrics()), len(one.metrics())] == [0, 1]


def test_dags_are_asked_of_airflow() -> None:
    """When each ended well or failed; a token that has run out is replaced; one that never ran is not told."""
    day = (utc_now() - timedelta(days=1)).replace(microsecond=0)
    with AirflowApi(ends={"audit": {"success": day.isoformat()}, "ingest": {}}) as api, Client(Settings()) as client:
        settings = Settings(airflow_url=f"{api.url}/", airflow_user="admin", airflow_password="secret")
        airflow = Airflow(settings, client)
        airflow.ask()
        api.tokens += 1  # the one given out is none any more
        told = samples(render(airflow.ask()).decode())
        assert api.tokens == 3
    assert told == {
        'gopherwood_dag_paused{dag_id="audit"}': 1,
        'gopherwood_dag_paused{dag_id="ingest"}': 0,
        'gopherwood_dag_last_success_timestamp_seconds{dag_id="audit"}': day.timestamp(),
    }


def test_an_airflow_that_refuses_is_an_error_without_the_password() -> None:
    """What is wrong is said, and nothing that is secret."""
    with AirflowApi() as api, Client(Settings()) as client:
        airflow = Airflow(Settings(airflow_url=api.url, airflow_user="admin", airflow_password="wrong-one"), client)
        with pytest.raises(UpstreamError, match="no token: status 401") as caught:
            airflow.ask()
    assert "wrong-one" not in caught.value.diagnostics()


@pytest.mark.parametrize("listen", ["8482", "127.0.0.1:", ":8482", "127.0.0.1:99999", "203.0.113.9:80"])
def test_an_address_that_cannot_be_is_refused(
    listen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and how to name one."""
    monkeypatch.setenv("GOPHERWOOD_HOME", str(tmp_path))
    assert cli.main(["exporter", "--listen", listen]) == 2
    said = capsys.readouterr().err
    assert "--listen" in said or "HOST:PORT" in said
