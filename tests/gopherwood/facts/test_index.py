"""`index`: every version is read once, what stands for a module follows its versions, poison costs one error."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood.errors import EXIT_DONE, EXIT_NOTHING_TO_DO, UsageError
from gopherwood.facts import files, verb
from gopherwood.facts.readers import Readers
from gopherwood.facts.verb import Result
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make an empty store and its catalog; no server is started."""
    site = Site.new(tmp_path / "home")
    yield site
    site.stop()


def index(site: Site, *wanted: ModuleVersion, limit: int | None = None, readers: Readers | None = None) -> Result:
    """Run the verb."""
    return verb.run(site.settings, wanted, limit=limit, readers=readers)


def publish(site: Site, path: str, version: str, imports: str = "fmt", go_mod: str = "") -> ModuleVersion:
    """Publish a module with one package that imports another."""
    name = path.rpartition("/")[2]
    source = f'// Package {name} is {version}.\npackage {name}\n\nimport _ "{imports}"\n'
    content = {"go.mod": f"module {path}\n\n{go_mod}\n", f"{name}.go": source}
    site.publish(path, version, make_module(path, version, content))
    return ModuleVersion(path, version)


def test_every_published_version_is_read_once(site: Site) -> None:
    """A second run finds nothing to do; a named one is read again; an unknown one is refused."""
    mvs = [publish(site, "example.com/one", version) for version in ("v1.0.0", "v1.1.0")]
    first = index(site)
    assert (first.read, first.modules, first.failed, first.exit_code) == (2, 1, 0, EXIT_DONE)
    assert index(site).exit_code == EXIT_NOTHING_TO_DO
    assert index(site, mvs[0]).read == 1
    with pytest.raises(UsageError, match=r"example\.com/two@v1\.0\.0"):
        index(site, ModuleVersion("example.com/two", "v1.0.0"))
    row = site.catalog.facts_of("example.com/one")["v1.1.0"]
    assert (row.packages, row.synopsis, row.error) == (1, "Package one is v1.1.0.", "")
    kept = open_objects(site.settings.facts_url, settings=site.settings)
    assert files.facts(kept, mvs[1]).mv == mvs[1]


def test_the_latest_version_stands_for_its_module(site: Site) -> None:
    """What go get would take: retracted and lower ones do not count, whatever the order in which they were read."""
    path = "example.com/one"
    publish(site, path, "v1.1.0", "os")
    publish(site, path, "v1.0.0", "io")
    index(site)
    assert site.catalog.modules([path])[path].latest == "v1.1.0"
    assert (site.catalog.imported_by("os"), site.catalog.imported_by("io")) == (1, 0)
    publish(site, path, "v1.2.0", "net", go_mod="retract [v1.1.0, v1.2.0] // by mistake")
    index(site)
    module = site.catalog.modules([path])[path]
    assert (module.latest, module.highest) == ("v1.0.0", "v1.2.0")
    assert module.retracted == (("v1.1.0", "v1.2.0", "by mistake"),)
    assert site.catalog.importers("io") == [path]


def test_imports_are_counted_by_packages_of_other_modules(site: Site) -> None:
    """A module's own packages are no users of it."""
    publish(site, "example.com/base", "v1.0.0", "example.com/base/sub")
    publish(site, "example.com/user", "v1.0.0", "example.com/base")
    publish(site, "example.com/user", "v1.1.0", "example.com/base")
    publish(site, "example.com/other", "v1.0.0", "example.com/base")
    index(site)
    assert site.catalog.importers("example.com/base") == ["example.com/other", "example.com/user"]
    assert site.catalog.importers("example.com/base", after="example.com/other") == ["example.com/user"]
    assert site.catalog.imported_by("example.com/base") == 2
    (package,) = site.catalog.packages_at("example.com/user")
    assert (package.module, package.synopsis) == ("example.com/user", "Package user is v1.1.0.")


def python(program: str, seconds: float = 30) -> Readers:
    """Return readers that run a program in place of ours."""
    return Readers(seconds, (sys.executable, "-S", "-c", program))


def test_a_version_that_takes_too_long_costs_itself_alone(site: Site) -> None:
    """Its process is killed, the next version gets another, and it is not tried again of itself."""
    for path in ("example.com/slow", "example.com/a", "example.com/b", "example.com/c"):
        publish(site, path, "v1.0.0")
    program = """if True:
        import sys, time
        for line in sys.stdin:
            time.sleep("slow" in line and 60)
            print('{"error": "as told"}', flush=True)
    """
    result = index(site, readers=python(program, seconds=2))
    assert (result.read, result.failed) == (4, 4)
    errors = {path: site.catalog.facts_of(path)["v1.0.0"].error for path in ("example.com/slow", "example.com/c")}
    assert errors == {"example.com/slow": "it takes more than 2 seconds", "example.com/c": "as told"}
    assert index(site).exit_code == EXIT_NOTHING_TO_DO


def test_a_process_that_dies_is_an_error_of_its_version(site: Site) -> None:
    """Whatever kills the reader, the run goes on."""
    publish(site, "example.com/a", "v1.0.0")
    result = index(site, readers=python("import os; input(); os.abort()"))
    assert result.broken == ["example.com/a@v1.0.0: reading it ended its process (-6)"]


def test_facts_that_are_gone_leave_a_module_without_packages(site: Site) -> None:
    """When an older version stands again and its facts are lost, it is told, and reading it again mends it."""
    path = "example.com/one"
    old = publish(site, path, "v1.0.0", "io")
    index(site)
    site_facts = open_objects(site.settings.facts_url, mutable=True, settings=site.settings)
    publish(site, path, "v1.1.0", "os")
    index(site)
    site_facts.delete(files.key(old))
    publish(site, path, "v1.2.0", "os", go_mod="retract [v1.1.0, v1.2.0]")
    index(site)
    assert site.catalog.packages_of(path) == []
    index(site, old)
    assert [package.path for package in site.catalog.packages_of(path)] == [path]


def test_a_run_may_be_stopped_and_bounded(site: Site) -> None:
    """--limit reads as many, a stop reads nothing more, and what is left is read next time."""
    for number in range(3):
        publish(site, f"example.com/m{number}", "v1.0.0")
    assert index(site, limit=2).read == 2
    stop = threading.Event()
    stop.set()
    assert verb.run(site.settings, stop=stop).read == 0
    assert index(site).read == 1
