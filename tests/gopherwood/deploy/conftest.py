"""The deployment that releases are made of and promotions go to: made once, copied for each test."""

import json
from pathlib import Path

import pytest

from fakes.deployment import Deployment
from gopherwood.deploy import lock, record

NAMES = ("staging", "production")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Make a deployment whose images are built and tested, and in which nothing runs."""
    return Deployment.new(tmp_path_factory.mktemp("deployment") / "built")


@pytest.fixture(scope="session")
def running(built: Deployment) -> Deployment:
    """Make one in which the release `a` runs everywhere and `b` is verified in staging; with records of a, b and c."""
    made = built.copy(built.folder.with_name("running"))
    made.commit()
    values = {}
    for letter in "abc":
        values[letter] = json.loads(lock.of(record.read(made.release(letter))))
    for name in NAMES:
        for release in ("gopherwood-serving", "gopherwood"):
            made.helm.install(f"on-{name}", release, values["a"])
        made.lock(name).parent.mkdir(parents=True, exist_ok=True)
        made.lock(name).write_text(json.dumps(values["a"], indent=2, sort_keys=True) + "\n")
    made.helm.install("on-staging", "gopherwood-serving", values["b"], "Succeeded")
    made.commit()
    return made


@pytest.fixture
def site(built: Deployment, tmp_path: Path) -> Deployment:
    """Return a deployment in which nothing runs yet."""
    return built.copy(tmp_path)


@pytest.fixture
def production(running: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Return a deployment whose production is at `a`; its helm is the one on PATH."""
    made = running.copy(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return made
