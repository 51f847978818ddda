"""`gopherwood promote`: what was verified before goes on, what fails goes back, death at any point can be mended."""

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import threading

import pytest

from fakes.deployment import Deployment, digest
from gopherwood import cli
from gopherwood.catalog import Catalog
from gopherwood.deploy import promote, record
from gopherwood.errors import ConfigError, IntegrityError, UsageError

FULL = os.environ.get("GOPHERWOOD_CRASH_SWEEP") == "full"
KEY = "gopherwood.box+a0a9dd9a+Afj4IdS/J+1YS5oqIUzes1StjJLWIP2n0vL5B+PTWU7Z"


def go(
    production: Deployment, letter: str, source: str = "staging", to: str = "production", *, dry_run: bool = False
) -> promote.Result:
    """Promote in this process."""
    flags = argparse.Namespace(record=production.record(letter), source=source, to=to, dry_run=dry_run, wait=60)
    return promote.run(production.settings, flags, threading.Event())


def test_verified_release_is_promoted(production: Deployment) -> None:
    """Helm runs the record's digests, both ends are told with version and pods, and the lock alone changed."""
    result = go(production, "b")
    assert (result.phase, result.version, result.pods) == ("finished", "v-b", ["gopherwood-serving-2"])
    assert (production.lock_letter(), production.runs_letter(), production.runs_letter("gopherwood")) == ("b", "b", "b")
    assert production.events()[-2:] == [promote.STARTED, promote.FINISHED]
    with Catalog.ready(production.settings) as catalog:
        told = catalog.events(kind=promote.FINISHED)[-1].event.payload
    assert (told["environment"], told["version"], told["pods"]) == ("production", "v-b", ["gopherwood-serving-2"])
    status = subprocess.run(["git", "-C", production.checkout, "status", "--porcelain"], capture_output=True, text=True)
    assert status.stdout == " M helm-values/production/release.lock\n"


def test_digest_that_nobody_verified_is_refused(production: Deployment) -> None:
    """Images that the environment before never ran, or whose test failed there, go no further; nothing is touched."""
    with pytest.raises(UsageError, match="staging never verified the digests of"):
        go(production, "c")
    production.helm.install("on-staging", "gopherwood-serving", production.helm.runs("on-staging")["config"], "Failed")
    with pytest.raises(UsageError, match="has these digests, but no test passed on it"):
        go(production, "b")
    assert (production.lock_letter(), production.runs_letter()) == ("a", "a")
    assert production.events() == []


@pytest.mark.parametrize("fault", ["bad", "sick"])
def test_failing_release_goes_back_by_itself(production: Deployment, fault: str) -> None:
    """Pods that never get ready, or a smoke test that fails: all is as before, the lock too, and the end is told."""
    before = production.lock().read_bytes()
    production.helm[fault] = [digest("b")]
    with pytest.raises(promote.PromotionError, match="was rolled back in production") as raised:
        go(production, "b")
    assert raised.value.exit_code == 1
    assert (production.runs_letter(), production.runs_letter("gopherwood")) == ("a", "a")
    assert production.lock().read_bytes() == before
    assert production.events()[-2:] == [promote.STARTED, promote.ROLLED_BACK]


def test_older_record_brings_the_older_release_back(production: Deployment) -> None:
    """Rolling back is promoting an older record, which the environment before had verified in its time."""
    go(production, "c", "", "staging")
    assert production.helm.runs("on-staging")["config"]["images"]["serving"]["digest"] == digest("c")
    go(production, "b")
    assert (production.lock_letter(), production.runs_letter()) == ("b", "b")


def test_again_is_nothing_to_do(production: Deployment) -> None:
    """A promotion that is done is exit code 99 the second time."""
    go(production, "b")
    events = production.events()
    assert go(production, "b").exit_code == 99
    assert production.events() == events


def test_dry_run_shows_the_difference(production: Deployment) -> None:
    """What would change in the lock and in the cluster is printed; nothing does."""
    shown = go(production, "b", dry_run=True).text()
    assert "+++ b/helm-values/production/release.lock" in shown
    assert f'-      "digest": "{digest("a")}"' in shown
    assert "+++ b/on-production/gopherwood-serving" in shown
    assert (production.lock_letter(), production.runs_letter()) == ("a", "a")


def test_killed_at_any_change_it_can_be_run_again(production: Deployment) -> None:
    """Wherever helm and the promotion are killed, the lock names what was verified, and the same command ends well."""
    clean = production.helm.file.read_bytes()
    before = production.lock().read_bytes()
    for point in range(1, 6) if FULL else (1, 5):  # half-way through the first upgrade; verified, and not yet told
        production.helm.file.write_bytes(clean)
        production.lock().write_bytes(before)
        production.helm["kill"] = point
        assert run_apart(production) == -signal.SIGKILL, point
        assert production.lock_letter() == "a"
        production.helm["kill"] = 0
        assert go(production, "b").phase == "finished"
        assert (production.lock_letter(), production.runs_letter(), production.runs_letter("gopherwood")) == (
            "b",
            "b",
            "b",
        )


def test_killed_and_then_failing_goes_back_to_what_the_lock_names(production: Deployment) -> None:
    """A release that was installed, died before its test, and fails it in the next try is not what is gone back to."""
    production.helm["kill"] = 4
    assert run_apart(production) == -signal.SIGKILL
    assert production.runs_letter() == "b"
    production.helm["kill"], production.helm["sick"] = 0, [digest("b")]
    with pytest.raises(promote.PromotionError):
        go(production, "b")
    assert (production.lock_letter(), production.runs_letter(), production.runs_letter("gopherwood")) == ("a", "a", "a")


def run_apart(production: Deployment) -> int | None:
    """Promote in a process of its own; return how it ended."""
    apart = multiprocessing.get_context("fork").Process(target=go, args=(production, "b"))
    apart.start()
    apart.join()
    return apart.exitcode


def test_rollback_that_fails_says_how_to_go_on(production: Deployment) -> None:
    """When the cluster is gone, the error has the commands; the same promotion mends it later."""
    production.helm["sick"], production.helm["stuck"] = [digest("b")], True
    with pytest.raises(promote.StrandedError) as raised:
        go(production, "b")
    assert "helm -n on-production rollback gopherwood-serving 1" in raised.value.diagnostics()
    production.helm["sick"], production.helm["stuck"] = [], False
    assert go(production, "b").phase == "finished"


def test_work_of_somebody_else_is_left_alone(production: Deployment) -> None:
    """A release that is pending, and not by a promotion of ours, is refused."""
    releases = production.helm["releases"]
    releases["on-production/gopherwood"][-1]["status"] = "pending-upgrade"
    releases["on-production/gopherwood"].insert(0, releases["on-production/gopherwood"][0] | {"status": "superseded"})
    production.helm["releases"] = releases
    with pytest.raises(UsageError, match="somebody is at work on gopherwood"):
        go(production, "b")


@pytest.mark.parametrize(
    ("source", "to", "says"),
    [
        ("", "production", "comes with --from staging"),
        ("production", "staging", "no --from: nothing is before it"),
        ("staging", "prodution", "there is no environment prodution"),
    ],
)
def test_order_of_environments_is_kept(production: Deployment, source: str, to: str, says: str) -> None:
    """None is left out, none is gone backwards, and a typo is answered with the order."""
    with pytest.raises(UsageError) as raised:
        go(production, "a", source, to)
    assert says in str(raised.value)
    assert "staging -> production" in raised.value.hint


def test_values_that_a_chart_refuses_change_nothing(production: Deployment) -> None:
    """What the chart's schema says no to is found before anything is told or touched."""
    production.write("helm-values/production/tasks.yaml", "typo: 1\n")
    with pytest.raises(promote.HelmError, match="schema"):
        go(production, "b")
    assert len(production.helm["releases"]["on-production/gopherwood-serving"]) == 1
    assert production.events() == []


def test_without_helm_it_says_so(
    production: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No helm on PATH is a matter of configuration: exit code 2, and what to do."""
    monkeypatch.setenv("PATH", str(production.checkout))
    line = [
        "promote",
        str(production.record("b")),
        "--from",
        "staging",
        "--to",
        "production",
        "--checkout",
        str(production.checkout),
    ]
    assert cli.main(line) == ConfigError.exit_code == 2
    assert "no helm on PATH" in capsys.readouterr().err


def test_ledger_that_lost_entries_stops_a_promotion(production: Deployment) -> None:
    """The catalog's ledger must still be what the release saw, or have grown from it: else exit code 3."""
    with Catalog.ready(production.settings) as catalog:
        catalog.set_ledger_key(KEY)
    file = production.record("b")
    fields = json.loads(file.read_text())
    fields["store"] |= {"size": 7, "key": KEY}
    parts = {name: fields[name] for name in ("created", "commit", "images", "tests", "store")}
    changed = record.Record(charts=record.read(file).charts, **parts)
    other = file.with_name(f"{changed.name}.json")
    other.write_bytes(changed.to_json())
    file.unlink()
    with pytest.raises(IntegrityError, match="has 0 entries, and had 7"):
        go(production, "b", "", "staging")
