"""Validity, thresholds, regression and the guard: what makes a run invalid, a failure, or refused."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from fakes import accesslog
from fakes.loopback import Answer, Loopback
from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.loadtest import budget, paths, validity, verdict
from gopherwood.loadtest.answers import Answers, digest_of
from gopherwood.loadtest.measure import Measured
from gopherwood.loadtest.plan import evenly
from gopherwood.loadtest.scrape import Serving
from gopherwood.loadtest.slo import Check, Slo
from gopherwood.loadtest.verdict import Judged

GOOD, BAD = Check("a", "1", "1", True), Check("b", "1", "2", False)
LIMITS = Slo.read().of("validity")


def measured(**changes: float) -> Measured:
    """Return a second of a hundred requests of 10 ms each."""
    made = Measured(seconds=1.0, cpu_seconds=0.1)
    for number in range(100):
        at = number / 100
        made.expect(at)
        made.begin(at, 0.0)
        made.end("mod", at, 0.0, 0.01, 100)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_invalid_comes_before_fail_and_fail_before_pass() -> None:
    """A run that measured nothing is no failure of the server, however bad its figures; nothing checked is no pass."""
    assert Judged([GOOD], [GOOD], [GOOD]).verdict == "pass"
    assert Judged([GOOD], [BAD], [GOOD]).verdict == "fail"
    assert Judged([GOOD], [GOOD], [BAD]).verdict == "fail"
    assert Judged([BAD], [BAD], []).verdict == "invalid"
    assert (Judged([], [GOOD], []).verdict, Judged().reason) == ("invalid", "nothing was measured")
    assert Judged([BAD], [BAD], []).reason == "b: 2 (wanted: 1)"


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, set()),
        ({"on_time": 98}, {"arrivals on time"}),
        ({"intended": 101}, {"arrivals with an outcome"}),
        ({"cpu_seconds": 0.9}, {"generator's processor"}),
        ({"intended": 0, "on_time": 0, "answered": 0}, {"arrivals on time"}),
    ],
)
def test_a_late_a_lossy_and_a_busy_generator_are_each_found(changes: dict[str, float], broken: set[str]) -> None:
    """One fault is enough, and its name says which."""
    checks = validity.of_generator(measured(**changes), LIMITS)
    assert {check.name for check in checks if not check.ok} == broken


def test_what_is_measured_survives_the_way_between_processes() -> None:
    """Counts, percentiles and the timeline are the same on the other side."""
    made = measured()
    made.give_up("zip", 0.5, 0.1, 30.0, "time-out")
    again = Measured.of_data(made.data())
    assert (again.data(), again.unanswered) == (made.data(), 1)
    assert again.of("all").percentile(50) == pytest.approx(0.01, rel=0.01)
    assert again.of("all").percentile(100) == pytest.approx(30.1, rel=0.01)
    assert dict(again.faults) == {"zip: time-out (no answer)": 1}


def test_thresholds_judge_percentiles_errors_throughput_and_classes(tmp_path: Path) -> None:
    """Each limit of the file is one check, and one that is left out is none."""
    file = tmp_path / "slo.toml"
    limits = "[replay]\np50_ms = 20\np99_ms = 5\nerrors = 0\nthroughput = 0.99\n"
    file.write_text(f"{limits}[replay.classes.mod]\np50_ms = 1\n")
    checks = verdict.thresholds("replay", measured(), 1.0, Slo.read(file))
    assert [(check.name, check.ok) for check in checks] == [
        ("p50", True),
        ("p99", False),
        ("errors", True),
        ("throughput", True),
        ("mod: p50", False),
    ]


@pytest.mark.parametrize(
    "text",
    ["[replay]\np98_ms = 5", "[reply]\np99_ms = 5", "[ui]\nerrors = 'none'", "[ui]\nerrors = true", "[ui", "ui = 1"],
)
def test_a_limit_that_nobody_would_check_is_refused(tmp_path: Path, text: str) -> None:
    """A typing error in a file of thresholds is an error, not a limit less."""
    file = tmp_path / "slo.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"slo\.toml"):
        Slo.read(file)


def test_a_figure_is_compared_with_runs_that_passed_alike() -> None:
    """Three such runs are needed; other parameters, and runs that did not pass, do not count; better is no fault."""
    figures = {"p99_ms": 10.0, "throughput": 100.0}
    alike: list[dict[str, object]] = [{"verdict": "pass", "parameters": {"n": 1}, "figures": figures}] * 3
    others = [alike[0] | {"verdict": "fail"}, alike[0] | {"parameters": {"n": 2}}]

    def broken(figures: dict[str, float], former: list[dict[str, object]]) -> set[str]:
        return {check.name for check in verdict.regression(figures, former, {"n": 1}, Slo.read()) if not check.ok}

    assert broken({"p99_ms": 25.0, "throughput": 100.0}, alike) == {"regression of p99_ms"}
    assert broken({"p99_ms": 10.0, "throughput": 40.0}, alike) == {"regression of throughput"}
    assert broken({"p99_ms": 1.0, "throughput": 900.0}, alike) == set()
    assert broken({"p99_ms": 25.0, "throughput": 100.0}, alike[:2] + others) == set()


def test_wrong_bytes_are_found_whatever_the_status_says() -> None:
    """An answer of 200 with other bytes than its ETag, or than before, is a failure; so is one that has gone."""
    answers, digest, other = Answers(), digest_of(b"x"), digest_of(b"")
    assert answers.fault("zip", "/a", 200, 200, f'"{digest[:32]}"', digest) == ""
    assert answers.fault("zip", "/b", 200, 200, f'"{digest[:32]}"', other) == "wrong bytes: not those of the ETag"
    assert answers.fault("zip", "/a", 200, 200, "", other) == "wrong bytes: other than before"
    assert answers.fault("zip", "/a", 200, 404, "", other) == "status 404"
    assert answers.fault("info", "/a", 404, 404, "", other) == ""
    assert answers.fault("info", "/a", 0, 503, "", other) == "status 503"


def test_first_arrivals_are_even() -> None:
    """One user a slot, at a random moment of it."""
    firsts = evenly(4, 2.0, [0.0, 0.5, 0.9, 0.0])
    assert firsts == [0.0, 0.75, 1.45, 1.5]


@dataclass
class Metrics(Loopback):
    """A server whose /metrics says what it is told."""

    errors: int = 0
    workers: int = 1

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        return Answer(
            200,
            f'gopherwood_serving_request_seconds_count{{route="zip",outcome="hit",worker="1"}} 1000\n'
            f'gopherwood_serving_request_seconds_count{{route="zip",outcome="error",worker="1"}} {self.errors}\n'
            f'gopherwood_serving_request_seconds_count{{route="probe",outcome="ok",worker="1"}} 9\n'
            f'gopherwood_serving_workers{{worker="1"}} {self.workers}\n'
            f'process_cpu_seconds_total{{worker="1"}} 1.5\nprocess_start_time_seconds{{worker="1"}} 5\n'.encode(),
        )


def test_no_load_is_added_while_the_error_budget_burns(tmp_path: Path) -> None:
    """One failure in a thousand is within the budget of 99.9 %, ten are not, and the words say what to do."""
    limits, settings, stop = Slo.read().of("budget"), Settings(home=tmp_path), threading.Event()
    with Metrics(errors=1) as calm, Metrics(errors=10) as burning:
        budget.check(Serving(settings, [f"{calm.url}/metrics"]), limits, 0, stop)
        assert Serving(settings, [f"{calm.url}/metrics"]).look().requests == {"zip": 1001}
        with pytest.raises(budget.BudgetError, match="refused: serving failed 10 of 1,010 requests") as refused:
            budget.check(Serving(settings, [f"{burning.url}/metrics"]), limits, 0, stop)
    assert refused.value.exit_code == 4


def test_a_mix_is_as_it_was_asked_for_where_enough_was_asked(tmp_path: Path) -> None:
    """Paths of the log's clients with their weights; a log of a few requests is no mix, and the model is taken."""
    settings, now = Settings(home=tmp_path), accesslog.HOUR + timedelta(hours=1)
    lists = [accesslog.line(kind="list", version="", module="example.com/Up") for _ in range(600)]
    zips = [accesslog.line(policy="cached-only") for _ in range(399)]
    ours = [accesslog.line(agent="load") for _ in range(50)]
    accesslog.write(tmp_path / "logs", *lists, *zips, *ours)
    with Metrics() as server:  # its index has no entries
        assert [each.kind for each in paths.mix(settings, server.url, now)[0]] == ["page", "index"]
    accesslog.write(tmp_path / "logs", accesslog.line(policy="cached-only"))
    asked, source = paths.mix(settings, "http://127.0.0.1:1", now)
    assert {(each.path, each.weight) for each in asked} == {
        ("/example.com/!up/@v/list", 600.0),
        ("/cached-only/example.com/m/@v/v1.0.0.zip", 400.0),
    }
    assert "1,000 requests for 2 paths" in source
