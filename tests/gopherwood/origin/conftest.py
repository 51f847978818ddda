"""Fixtures of the tests of origins: a server of real git repositories, and those who ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote
from gopherwood.config import Settings
from gopherwood.http import Client
from gopherwood.origin import Git, Remote


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitRemote]:
    """Serve repositories, and let https://github.com/... mean them."""
    with GitRemote(tmp_path / "remote") as server:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(server.config))
        yield server


@pytest.fixture
def git() -> Iterator[Git]:
    with Git(5.0) as git:
        yield git


@pytest.fixture
def remote(git: Git) -> Iterator[Remote]:
    with Client(Settings(timeout=5.0), tries=1) as client:
        yield Remote(git, client)
