"""status, plan, requeue, migrate, smoke: what a person asks before and after everything else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy, status
from fakes.valid import make_valid
from gopherwood import fetch, output, publish, smoke, store, validate
from gopherwood import status as verbs
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_NOTHING_TO_DO, EXIT_USAGE, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.scaling import Rule
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
    story = verbs.stories(worked, [BAD])
    assert "example.com/bad@v1.0.0 is rejected: invalid-zip" in story.text()
    assert "✗ zip-rules" in story.text()
    assert "✓ go-mod-parses" in story.text()
    assert json.loads(output.to_json(story))["versions"][0]["evidence"][0] == {
        "rule": "version-canonical",
        "ok": True,
        "detail": "",
    }


def test_a_version_that_nobody_wanted_is_named(worked: Settings) -> None:
    """Asked about something unknown: exit code 1 and its name."""
    story = verbs.stories(worked, [ModuleVersion("example.com/never", "v1.0.0")], ["example.com/nosuch"])
    assert (story.exit_code, story.unknown) == (1, ["example.com/never@v1.0.0", "example.com/nosuch"])
    assert "`gopherwood ingest example.com/nosuch` brings it in" in story.text()


@pytest.mark.parametrize(
    ("mv", "says"),
    [
        (BAD, "`gopherwood requeue example.com/bad@v1.0.0` fetches and judges it anew"),
        (LOST, "`gopherwood requeue example.com/lost@v1.0.0` asks again"),
        (GOOD, "`gopherwood ingest` publishes it"),
    ],
)
def test_a_story_ends_with_what_can_be_done(worked: Settings, mv: ModuleVersion, says: str) -> None:
    """Whoever reads why a version is not served reads next what to do about it."""
    assert says in verbs.stories(worked, [mv]).text().splitlines()[-1]


def test_a_rule_says_its_last_word_only(worked: Settings) -> None:
    """A version that was judged in two attempts shows each rule once to people; JSON has all."""
    verbs.requeue(worked, [BAD], state=None, reason="")
    with GoProxy() as proxy:
        proxy.add(BAD.path, BAD.version)
        fetch.run(replace(worked, upstream=proxy.url))
        validate.run(worked)
    story = verbs.stories(worked, [BAD])
    assert (story.text().count("zip-rules"), story.text().count("✗")) == (1, 0)
    assert str(story.versions[0]["evidence"]).count("zip-rules") == 2


def test_a_module_is_told_by_its_versions(worked: Settings) -> None:
    """A path without a version lists all its versions in their order, with state and reason."""
    with Catalog.open(worked) as catalog:
        catalog.enqueue([ModuleVersion(BAD.path, version) for version in ("v1.10.0", "v1.2.0")], source="seed")
    story = verbs.stories(worked, [], [BAD.path])
    assert [row["version"] for row in story.modules[BAD.path]] == ["v1.0.0", "v1.2.0", "v1.10.0"]
    assert story.text().splitlines()[1].split(maxsplit=2)[:2] == ["v1.0.0", "rejected"]


def test_an_empty_catalog_says_how_to_begin(settings: Settings) -> None:
    """Nothing known yet: the overview names the first command."""
    assert "`gopherwood ingest MODULE`" in verbs.run(settings).text()


def test_the_last_refusals_may_be_left_out(worked: Settings) -> None:
    """--recent 0 leaves the counts."""
    assert verbs.run(worked, recent=0).recent == []


@pytest.fixture
def conflicting(settings: Settings) -> Settings:
    """One published version, one that is held because other bytes are in the store."""
    make_valid(settings, [GOOD, BAD])
    objects = open_objects(settings.store_url, settings=settings)
    objects.create(store.key(BAD, ".mod"), b"module example.com/other\n")
    publish.run(settings)
    return settings


def test_a_conflict_is_in_the_overview(conflicting: Settings) -> None:
    """What is held for a person is among what is not served, and its story warns."""
    assert [row["state"] for row in verbs.run(conflicting).recent] == ["held"]
    story = verbs.stories(conflicting, [BAD]).text().splitlines()[-1]
    assert "Find out who changed" in story
    assert "--state held" in story


def test_what_is_requeued_in_vain_is_said(conflicting: Settings) -> None:
    """Each version that was named and stays as it is says why; a held one says the flag it needs."""
    result = verbs.requeue(conflicting, [GOOD, BAD, LOST], state=None, reason="")
    assert (result.requeued, result.exit_code) == (0, EXIT_NOTHING_TO_DO)
    assert "for ever" in result.passed_over[str(GOOD)]
    assert "--state held" in result.passed_over[str(BAD)]
    assert "never wanted" in result.passed_over[str(LOST)]
    assert verbs.requeue(conflicting, [BAD], state="held", reason="").requeued == 1


@pytest.mark.parametrize(
    ("glob", "says"),
    [("example.com/good", "for ever"), ("example.com/b*", "1 held"), ("held", "--state held"), ("x.org", "no such")],
)
def test_a_glob_that_names_nothing_says_why(conflicting: Settings, glob: str, says: str) -> None:
    """A module without anything to queue again is told apart from one that nobody knows."""
    result = verbs.requeue(conflicting, [], [glob], state=None, reason="")
    assert says in result.passed_over[glob]


def test_a_plan_has_words(settings: Settings) -> None:
    """People read a sentence, Airflow a list."""
    assert "nothing is due" in verbs.plan(settings, Rule(most=4)).text()


@pytest.mark.parametrize(("versions", "workers"), [(0, []), (1, [0]), (200, [0]), (201, [0, 1]), (2000, [0, 1, 2, 3])])
def test_a_plan_grows_with_the_queue(settings: Settings, versions: int, workers: list[int]) -> None:
    """A worker for each 200 versions that are due, and never more than allowed."""
    with Catalog.open(settings) as catalog:
        catalog.enqueue([ModuleVersion("example.com/m", f"v1.0.{n}") for n in range(versions)], source="seed")
    assert verbs.plan(settings, Rule(most=4)) == workers


def test_a_plan_leaves_to_others_what_they_hold(settings: Settings) -> None:
    """Work under way asks for no worker beside the one that has it; the overview shows it as held."""
    with Catalog.open(settings) as catalog:
        catalog.enqueue([GOOD, BAD], source="seed")
        catalog.lease("fetch", owner="other", limit=2, seconds=60)
    assert verbs.plan(settings, Rule()) == []
    assert verbs.run(settings).backlog == {"due": 0, "held": 2, "oldest_seconds": 0, "workers": 1}


def test_a_rejected_version_gets_another_chance(worked: Settings) -> None:
    """By name, by module, by state or by reason; what is served is never touched."""
    assert verbs.requeue(worked, [BAD, GOOD], state=None, reason="").requeued == 1
    assert verbs.requeue(worked, [], ["example.com/lost"], state="gone", reason="").requeued == 1
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
