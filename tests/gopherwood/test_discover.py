"""discover: each source leads to versions on the queue, and nothing bad that it meets ends it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fakes import catalogs
from fakes.goproxy import GoProxy, status
from fakes.index import Index
from fakes.loopback import Answer
from fakes.valid import make_valid
from gopherwood import discover, publish
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import RefusedError, UsageError
from gopherwood.module import ModuleVersion
from gopherwood.states import State


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    with GoProxy() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, proxy: GoProxy) -> Settings:
    made = Settings(home=tmp_path / "home", upstream=f"{proxy.url},off", sumdb="off", timeout=5)
    catalogs.make(made.catalog_url)
    return made


def queued(settings: Settings) -> set[str]:
    with Catalog.open(settings) as catalog:
        return {str(row.mv) for row in catalog.recent([State.QUEUED], limit=1000)}


def seed(settings: Settings, *wanted: str, seeds: tuple[str, ...] = ()) -> discover.Result:
    return discover.run(settings, "seed", wanted=wanted, seeds=seeds)


def test_exact_versions_are_queued_without_asking_anybody(settings: Settings, proxy: GoProxy) -> None:
    """A whole version needs no upstream."""
    result = seed(settings, "example.com/m@v1.2.3", "example.com/M/v2@v2.0.0-pre")
    assert (result.new, result.exit_code) == (2, 0)
    assert queued(settings) == {"example.com/m@v1.2.3", "example.com/M/v2@v2.0.0-pre"}
    assert proxy.requests == {}


def test_latest_all_and_prefixes_are_resolved(settings: Settings, proxy: GoProxy) -> None:
    """`module` and `@latest` are one version, `@all` is every listed one, `@v1.1` the newest that begins so."""
    for version in ("v1.0.0", "v1.1.0", "v1.1.1", "v1.2.0-rc.1"):
        proxy.add("example.com/a", version)
    proxy.add("example.com/b", "v0.1.0")
    proxy.add("example.com/b", "v0.2.0")
    seed(settings, "example.com/a", "example.com/a@v1.0", "example.com/b@all")
    assert queued(settings) == {
        "example.com/a@v1.1.1",
        "example.com/a@v1.0.0",
        "example.com/b@v0.1.0",
        "example.com/b@v0.2.0",
    }


def test_what_is_known_stays_as_it_is(settings: Settings) -> None:
    """The same seed twice: nothing new, exit code 99."""
    assert seed(settings, "example.com/m@v1.2.3").exit_code == 0
    again = seed(settings, "example.com/m@v1.2.3")
    assert (again.new, again.known, again.exit_code) == (0, 1, 99)


@pytest.mark.parametrize(
    "wanted",
    ["example.com/m@", "@v1.0.0", "example.com/m@v1@v2", "not a path@v1.0.0", "example.com/m@v2.0.0", "nodot@latest"],
)
def test_bad_items_are_reported_and_skipped(settings: Settings, wanted: str) -> None:
    """One bad item costs one report, and the others are queued."""
    result = seed(settings, wanted, "example.com/good@v1.0.0")
    assert [bad.what for bad in result.reports] == [wanted]
    assert (result.new, result.bad, result.exit_code) == (1, 1, 0)


def test_only_bad_items_are_a_failure(settings: Settings) -> None:
    """Whoever names nothing but modules that do not exist is told so by the exit code."""
    assert seed(settings, "example.com/nosuch@latest").exit_code == 1


def test_a_missing_file_is_a_usage_error(settings: Settings) -> None:
    """A file that is not there is said before anything is queued."""
    with pytest.raises(UsageError, match=r"no such file: \./nosuch\.txt"):
        seed(settings, "example.com/m@v1.2.3", "./nosuch.txt")
    assert queued(settings) == set()


@pytest.mark.parametrize("name", ["go.sum", "sub/go.mod", "seeds.txt", "~/list", "/nosuch"])
def test_what_looks_like_a_file_is_not_taken_for_a_module(settings: Settings, proxy: GoProxy, name: str) -> None:
    """A misspelt file is said to be missing, with the forms that are accepted; nobody is asked for it as a module."""
    with pytest.raises(UsageError, match=f"no such file: {name}") as caught:
        seed(settings, name)
    assert "MODULE@VERSION" in caught.value.hint
    assert proxy.requests == {}


def test_a_folder_is_said_to_be_one(settings: Settings, tmp_path: Path) -> None:
    """A folder is neither a module nor a file of them."""
    with pytest.raises(UsageError, match="is a folder"):
        seed(settings, str(tmp_path))


def test_what_is_no_module_says_what_would_be(settings: Settings) -> None:
    """A package of the standard library, say: the report names the forms that are accepted."""
    assert "MODULE@VERSION" in seed(settings, "fmt").reports[0].why


def test_a_version_that_cannot_be_is_named_once(settings: Settings) -> None:
    """The report does not say the version's name twice."""
    assert seed(settings, "example.com/m@v2.0.0").text().count("example.com/m@v2.0.0") == 1


def test_an_upstream_that_fails_says_what_to_do(settings: Settings, proxy: GoProxy) -> None:
    """What could not be asked now ends with the verb that says why."""
    proxy.fail("example.com/m/@v/list", status(500))
    assert "`gopherwood smoke`" in seed(settings, "example.com/m@latest").text()


def test_go_mod_gives_requirements_and_replacements(settings: Settings, tmp_path: Path) -> None:
    """Of a go.mod come the required versions and what replaces some of them; local replacements are no modules."""
    file = tmp_path / "go.mod"
    file.write_text(
        "module example.com/main\n\ngo 1.21\n\n"
        "require (\n\texample.com/a v1.0.0\n\texample.com/b v1.0.0 // indirect\n)\n"
        "replace example.com/b => example.com/fork v1.5.0\nreplace example.com/a v1.0.0 => ../a\n"
    )
    seed(settings, str(file))
    assert queued(settings) == {"example.com/a@v1.0.0", "example.com/b@v1.0.0", "example.com/fork@v1.5.0"}


def test_go_sum_gives_every_version_it_names(settings: Settings, tmp_path: Path) -> None:
    """Versions whose go.mod alone is in the go.sum are needed too: `go` reads them to find the build list."""
    file = tmp_path / "go.sum"
    file.write_text(
        "example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\nexample.com/b v0.9.0/go.mod h1:z=\nnonsense\n"
    )
    result = seed(settings, str(file))
    assert queued(settings) == {"example.com/a@v1.0.0", "example.com/b@v0.9.0"}
    assert [bad.what for bad in result.reports] == ["go.sum:4"]


def test_a_file_of_lines_may_hold_comments(settings: Settings, tmp_path: Path) -> None:
    """A seed list is lines of items; what is no item is reported with its line number."""
    file = tmp_path / "mine.txt"
    file.write_text("# mine\nexample.com/a@v1.0.0  # because\n\ntwo words\n")
    result = seed(settings, seeds=(str(file),))
    assert queued(settings) == {"example.com/a@v1.0.0"}
    assert [bad.what for bad in result.reports] == ["mine.txt:4"]


def test_an_unknown_seed_list_names_those_there_are(settings: Settings) -> None:
    """The error for a misspelt seed list says which come with Gopherwood."""
    with pytest.raises(UsageError) as caught:
        seed(settings, seeds=("defualt",))
    assert "default" in caught.value.hint


def test_default_seed_is_the_examples_go_sum() -> None:
    """The default seed list names what building the example asks for: no more, no less."""
    root = Path(__file__).resolve().parents[2]
    from gopherwood.discover import seed as source

    go_sum = set(source.read_file(root / "examples/hello/go.sum"))
    assert set(source.read_file(source.seed_file("default"))) == go_sum


# --- the index


@pytest.fixture
def index() -> Iterator[Index]:
    with Index() as server:
        for hour in range(6):
            server.add("example.com/m", f"v1.{hour}.0", f"2026-10-01T0{hour}:30:00Z")
        yield server


@pytest.fixture
def follow(settings: Settings, index: Index) -> Callable[..., discover.Result]:
    from dataclasses import replace

    indexed = replace(settings, index=index.url)
    return lambda **asked: discover.run(indexed, "index", **asked)


def at(hour: int) -> datetime:
    return datetime(2026, 10, 1, hour, tzinfo=UTC)


def test_an_interval_reads_exactly_its_entries(settings: Settings, follow: Callable[..., discover.Result]) -> None:
    """--since is inclusive, --until exclusive: neighbouring intervals share nothing and miss nothing."""
    assert follow(since=at(2), until=at(4)).new == 2
    assert queued(settings) == {"example.com/m@v1.2.0", "example.com/m@v1.3.0"}


def test_the_cursor_goes_on_where_the_last_run_ended(follow: Callable[..., discover.Result], index: Index) -> None:
    """Without an interval the second run asks from the last timestamp seen."""
    assert follow().new == 6
    index.add("example.com/m", "v2.0.0+incompatible", "2026-10-01T07:00:00Z")
    asked = len(index.pages)
    assert follow().new == 1
    assert index.pages[asked]["since"].startswith("2026-10-01T05:30:00")


def test_an_interval_leaves_the_cursor_alone(follow: Callable[..., discover.Result]) -> None:
    """A backfill of an old interval does not move the cursor of the running feed."""
    follow(since=at(4), until=at(6))
    assert follow().new == 4


def test_bad_lines_of_an_index_are_counted_and_skipped(follow: Callable[..., discover.Result], index: Index) -> None:
    """Lines that make no sense never stop the feed."""
    index.add_line("2026-10-01T08:00:00Z", "{not json")
    index.add("example.com/bad path", "v1.0.0", "2026-10-01T08:00:00Z")
    index.add("example.com/good", "v1.0.0", "2026-10-01T09:00:00Z")
    result = follow()
    assert (result.new, result.bad, result.exit_code) == (7, 2, 0)


def test_what_was_read_before_an_index_broke_off_is_kept(
    follow: Callable[..., discover.Result], settings: Settings, index: Index
) -> None:
    """The error is raised, but what came before it is queued with its cursor: the next run goes on from there."""
    index.max_page = 3
    index.fail("index", lambda handler, answer: handler.send(answer if len(index.pages) == 1 else Answer(403)), times=2)
    with pytest.raises(RefusedError, match="403"):
        follow()
    assert queued(settings) == {f"example.com/m@v1.{hour}.0" for hour in range(3)}
    asked = len(index.pages)
    assert follow().new == 3
    assert index.pages[asked]["since"].startswith("2026-10-01T02:30:00")


def test_no_index_is_nothing_to_do(settings: Settings) -> None:
    """Where no index is set, the task is skipped, not red."""
    assert discover.run(settings, "index").exit_code == 99


# --- what clients missed


def test_misses_are_resolved_and_settled(settings: Settings, proxy: GoProxy) -> None:
    """A missed version is queued, a missed list or query by what it means; each is dealt with once."""
    proxy.add("example.com/a", "v1.0.0")
    proxy.add("example.com/b", "v1.5.0")
    with Catalog.open(settings) as catalog:
        catalog.record_misses([("example.com/x", "v0.9.9"), ("example.com/a", "list"), ("example.com/b", "v1")])
        assert discover.run(settings, "requests").new == 3
        assert queued(settings) == {"example.com/x@v0.9.9", "example.com/a@v1.0.0", "example.com/b@v1.5.0"}
        assert catalog.misses() == []


def test_a_miss_that_nobody_has_is_settled(settings: Settings) -> None:
    """`go` probes every prefix of a path; what the upstream does not know either is not asked again and again."""
    with Catalog.open(settings) as catalog:
        catalog.record_misses([("example.com", "list")])
        assert discover.run(settings, "requests").bad == 1
        assert catalog.misses() == []


def test_a_miss_waits_while_the_upstream_is_down(settings: Settings, proxy: GoProxy) -> None:
    """An upstream that cannot answer says nothing about the module: the request stays."""
    proxy.fail("example.com/a/@v/list", status(500))
    with Catalog.open(settings) as catalog:
        catalog.record_misses([("example.com/a", "latest")])
        assert discover.run(settings, "requests").bad == 1
        assert [miss.path for miss in catalog.misses()] == ["example.com/a"]


def test_sources_are_recorded(settings: Settings) -> None:
    """The catalog knows which source asked for a version first."""
    seed(settings, "example.com/m@v1.2.3")
    with Catalog.open(settings) as catalog:
        row = catalog.state_of(ModuleVersion("example.com/m", "v1.2.3"))
    assert row is not None
    assert row.source == "seed"


# --- what building asks for


@pytest.fixture
def graph(proxy: GoProxy) -> GoProxy:
    """Serve a module graph: a needs b v1.0.0 and c v1.0.0, c needs b v1.1.0 and d, which nobody has."""
    go = "\n\ngo 1.16\n\nrequire "  # before 1.17: everything is read
    proxy.add(
        "example.com/a",
        "v1.0.0",
        {"go.mod": f"module example.com/a{go}(\n\texample.com/b v1.0.0\n\texample.com/c v1.0.0\n)\n"},
    )
    proxy.add("example.com/b", "v1.0.0")
    proxy.add("example.com/b", "v1.1.0")
    proxy.add(
        "example.com/c",
        "v1.0.0",
        {"go.mod": f"module example.com/c{go}(\n\texample.com/b v1.1.0\n\texample.com/d v1.0.0\n)\n"},
    )
    return proxy


@pytest.mark.usefixtures("graph")
def test_the_closure_is_everything_a_build_asks_for(settings: Settings) -> None:
    """Starting from a queued release, one run finds all of its graph, and says what cannot be had and who needs it."""
    seed(settings, "example.com/a@v1.0.0")
    result = discover.run(settings, "closure")
    assert queued(settings) == {
        "example.com/a@v1.0.0",
        "example.com/b@v1.0.0",
        "example.com/b@v1.1.0",
        "example.com/c@v1.0.0",
    }
    assert [bad.what for bad in result.reports] == ["example.com/d@v1.0.0"]
    assert "(needed by example.com/a@v1.0.0)" in result.reports[0].why


@pytest.mark.usefixtures("graph")
def test_the_closure_of_named_modules_is_about_those_alone(settings: Settings) -> None:
    """Given modules, nothing else that is queued is looked at."""
    seed(settings, "example.com/a@v1.0.0")
    assert discover.run(settings, "closure", wanted=["example.com/b@v1.1.0"]).new == 1
    assert queued(settings) == {"example.com/a@v1.0.0", "example.com/b@v1.1.0"}


@pytest.mark.usefixtures("graph")
def test_the_closure_is_bounded(settings: Settings) -> None:
    """--max ends it, with a report that there is more."""
    seed(settings, "example.com/a@v1.0.0")
    result = discover.run(settings, "closure", limit=2)
    assert len(queued(settings)) <= 3
    assert result.reports[-1].what == "closure"


def test_updates_are_the_new_versions_of_what_we_hold(settings: Settings, proxy: GoProxy, tmp_path: Path) -> None:
    """Modules with a published version are asked for their lists; others, and versions we know, are left alone."""
    make_valid(settings, [ModuleVersion("example.com/a", "v1.0.0")])
    assert publish.run(settings).published == 1
    seed(settings, "example.com/other@v1.0.0")
    for version in ("v1.0.0", "v1.1.0"):
        proxy.add("example.com/a", version)
    assert (discover.run(settings, "updates").new, proxy.requests["example.com/other/@v/list"]) == (1, 0)
    assert "example.com/a@v1.1.0" in queued(settings)
