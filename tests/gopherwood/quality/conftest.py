"""A sound platform, made once, and copies of it to break."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import sound
from gopherwood.config import Settings


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of a platform in which everything is as it should be."""
    return sound.publish_all(tmp_path_factory.mktemp("sound") / "home")


@pytest.fixture
def platform(pristine: Settings, tmp_path: Path) -> Settings:
    """Return a copy that a test may break."""
    home = tmp_path / "home"
    shutil.copytree(pristine.home, home)
    return replace(pristine, home=home)
