"""status, plan, requeue, migrate, smoke: what a person asks before and after everything else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy, status
from gopherwood import fetch, output, smoke, validate
from gopherwood import status as verbs
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_NOTHING_TO_DO, EXIT_USAGE, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.states import State

GOOD, BAD, LOST = (ModuleVersion(f"example.com/{name}", "v1.0.0") for name in ("good", "bad", "lost"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home", sumdb="off", upstream="off")
    verbs.migrate(made)
    return made


@pytest.fixture
def worked(settings: Settings) -> Settings:
    """One valid version, one rejected, one gone."""
    with GoProxy() as proxy, Catalog.open(settings) as catalog:
        proxy.add(GOOD.path, GOOD.version)
        proxy.put(BAD.path, BAD.version, proxy.add(BAD.path, BAD.version)._replace(zip=b"poison"))
        catalog.enqueue([GOOD, BAD, LOST], source="seed")
        fetch.run(replace(settings, upstream=proxy.url))
        validate.run(settings)
    return settings


def test_the_overview_counts_and_names_refusals(worked: Settings) -> None:
    """How many are where, how many of what reason, and the last refusals with their words."""
    overview = verbs.run(worked)
    assert (overview.counts["valid"], overview.counts["rejected"], overview.counts["gone"]) == (1, 1, 1)
    assert (overview.open, overview.reasons) == (1, {"invalid-zip": 1, "not-found": 1})
    assert {row["module"] for row in overview.recent} == {str(BAD), str(LOST)}
    assert "1 valid, 1 rejected, 1 gone" in overview.text()


def test_a_story_says_why_a_version_is_not_served(worked: Settings) -> None:
    """State, reason and what every rule said, for one version."""
    story = verbs.stories(worked, [str(BAD)])
    assert "example.com/bad@v1.0.0: rejected: invalid-zip" in story.text()
    assert "NO  zip-rules" in story.text()
    assert json.loads(output.to_json(story))["versions"][0]["evidence"][0] == {
        "rule": "version-canonical",
        "ok": True,
        "detail": "",
    }


def test_a_version_that_nobody_wanted_is_named(worked: Settings) -> None:
    """Asked about something unknown: exit code 1 and its name."""
    story = verbs.stories(worked, ["example.com/never@v1.0.0"])
    assert (story.exit_code, story.unknown) == (1, ["example.com/never@v1.0.0"])


@pytest.mark.parametrize(("versions", "workers"), [(0, []), (1, [0]), (200, [0]), (201, [0, 1]), (2000, [0, 1, 2, 3])])
def test_a_plan_grows_with_the_queue(settings: Settings, versions: int, workers: list[int]) -> None:
    """A worker for each 200 versions that are due, and never more than allowed."""
    with Catalog.open(settings) as catalog:
        catalog.enqueue([ModuleVersion("example.com/m", f"v1.0.{n}") for n in range(versions)], source="seed")
    assert verbs.plan(settings, max_workers=4, per_worker=200) == workers


def test_a_rejected_version_gets_another_chance(worked: Settings) -> None:
    """By name, by module, by state or by reason; what is served is never touched."""
    assert verbs.requeue(worked, [str(BAD), str(GOOD)], state=None, reason="").requeued == 1
    assert verbs.requeue(worked, ["example.com/lost"], state="gone", reason="").requeued == 1
    assert verbs.requeue(worked, [], state=None, reason="invalid-zip").exit_code == EXIT_NOTHING_TO_DO
    with Catalog.open(worked) as catalog:
        assert catalog.counts()[State.QUEUED] == 2


def test_requeueing_everything_by_mistake_is_refused(worked: Settings) -> None:
    """No name, no reason: a usage error, not a flood."""
    with pytest.raises(UsageError):
        verbs.requeue(worked, [], state=None, reason="")


def test_smoke_asks_every_part(settings: Settings) -> None:
    """With an upstream that answers, all parts are well and nothing has changed."""
    with GoProxy() as proxy:
        result = smoke.run(replace(settings, upstream=proxy.url))
    assert (result.exit_code, result.broken, sorted(result.parts)) == (0, {}, sorted(smoke.PARTS))


def test_smoke_names_each_broken_part(settings: Settings) -> None:
    """A broken part is named with what is wrong, the others are still asked, the worst exit code wins."""
    with GoProxy() as proxy:
        proxy.fail("golang.org/x/mod/@v/list", status(500))
        result = smoke.run(replace(settings, upstream=proxy.url, store="ftp://nosuch", timeout=2))
    assert (sorted(result.broken), result.exit_code) == (["store", "upstream"], EXIT_USAGE)
    assert "BROKEN  store: " in result.text()
