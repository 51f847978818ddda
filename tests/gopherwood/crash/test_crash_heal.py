"""A scrub that is killed while it withholds and heals a file is completed by the next one, and loses no evidence."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import damage, strace, valid
from gopherwood import publish, store
from gopherwood.audit import scrub
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects

pytestmark = pytest.mark.skipif(
    bool(strace.why_not()), reason=f"left out: the crash sweep of healing, because {strace.why_not()}"
)

HEALER = Path(__file__).parent / "healer.py"
MV = ModuleVersion("example.com/Mod", "v1.0.0")
PARTS = 6
"""The sweep is cut into so many tests, which run beside each other."""
SAMPLE = 6
"""Points at which the sweep strikes, unless it is full."""


@pytest.fixture(scope="module")
def hurt(tmp_path_factory):
    """Return a home with one published version whose zip has a flipped bit, and a sound replica; tests copy it."""
    home = tmp_path_factory.mktemp("hurt") / "home"
    settings = Settings(home=home)
    valid.make_valid(settings, [MV])
    publish.run(settings)
    replica = open_objects((home / "replica").as_uri(), settings=settings)
    replica.create(store.key(MV, ".zip"), valid.files(MV)[".zip"])
    damage.rewrite(store.open_store(settings), store.key(MV, ".zip"), damage.flip(70))
    return home


def run(home: Path, inject: str = "", calls: str = strace.CALLS):
    environ = {"GOPHERWOOD_HOME": str(home), "GOPHERWOOD_REPLICA": str(home / "replica"), "PATH": os.environ["PATH"]}
    environ |= {"GOPHERWOOD_UPSTREAM": "off", "GOPHERWOOD_LEASE_SECONDS": "0.001", "PYTHONDONTWRITEBYTECODE": "1"}
    return strace.run(HEALER, log=home / "strace", env=environ, inject=inject, calls=calls)


def again(home: Path) -> scrub.Scrubbed:
    replica = (home / "replica").as_uri()
    settings = Settings(home=home, replica=replica, upstream="off", lease_seconds=0.001)
    return scrub.run(settings, everything=True, stop=threading.Event())


def evidence(home: Path) -> list[bytes]:
    objects = store.open_store(Settings(home=home))
    return [objects.read(key) for key in objects.keys(".quarantine/")]


@pytest.fixture(scope="module")
def points(hurt, tmp_path_factory) -> list[tuple[str, int]]:
    """Return the system calls at which the sweep strikes: all that touch the store, and some around them."""
    home = shutil.copytree(hurt, tmp_path_factory.mktemp("count") / "home")
    assert run(home).returncode == 0
    found = strace.numbered(home / "strace")
    if strace.FULL:
        return found
    always = [point for point in found if point[0] in ("rename", "link", "linkat")]
    return always + found[:: max(1, len(found) // SAMPLE)]


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_any_call_it_is_healed_by_the_next_run(hurt, points, tmp_path, part, struck: Callable[[int], None]):
    """SIGKILL at a system call: the zip is the damaged one, away, or the sound one; the next run heals it, once."""
    bad = store.open_store(Settings(home=hurt)).read(store.key(MV, ".zip"))
    good = valid.files(MV)[".zip"]
    struck(len(points[part::PARTS]))
    for name, number in points[part::PARTS]:
        home = shutil.copytree(hurt, tmp_path / f"{name}{number}")
        run(home, inject=f"signal=SIGKILL:when={number}", calls=name)
        objects = store.open_store(Settings(home=home))
        present = objects.read(store.key(MV, ".zip")) if objects.size(store.key(MV, ".zip")) is not None else None
        assert present in (bad, None, good), (name, number)
        assert present == bad or bad in evidence(home), (name, number)
        assert again(home).exit_code == 0, (name, number)
        assert objects.read(store.key(MV, ".zip")) == good
        assert bad in evidence(home)
        with Catalog.open(Settings(home=home)) as catalog:
            assert catalog.open_damages() == []
            assert len(catalog.damages_of(MV)) == 1
