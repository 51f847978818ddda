"""A platform with something published, and experiments on it, run as the command runs them."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import logged, valid
from fakes.lab import Lab
from gopherwood import publish
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion

MVS = [ModuleVersion(f"example.com/m{number}", f"v1.{number}.0") for number in range(4)]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with four published versions under a signed ledger; tests copy it."""
    home = tmp_path_factory.mktemp("chaos") / "home"
    settings = Settings(home=home, ledger_key=logged.SECRET)
    valid.make_valid(settings, MVS)
    publish.run(settings)
    return home


@pytest.fixture
def lab(published: Path, tmp_path: Path) -> Lab:
    home = shutil.copytree(published, tmp_path / "home")
    return Lab(Settings(home=home, ledger_key=logged.SECRET))


@pytest.fixture
def when() -> Callable[[Callable[[], Any], Callable[[], Any]], None]:
    """Return a function that does something, in another thread, once something holds."""

    def begin(condition: Callable[[], Any], deed: Callable[[], Any]) -> None:
        pause = threading.Event()

        def work() -> None:
            while not condition():
                pause.wait(0.02)
            deed()

        threading.Thread(target=work, daemon=True).start()

    return begin
