"""A platform to experiment on: what a test does with it, by the real command."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gopherwood.chaos import verb
from gopherwood.chaos.journal import Journal
from gopherwood.chaos.verb import Result
from gopherwood.cli import build_parser
from gopherwood.config import Settings


@dataclass
class Lab:
    """The platform, and what a test does with it."""

    settings: Settings
    serving: str = ""

    @property
    def home(self) -> Path:
        return self.settings.home

    def chaos(self, *arguments: str, stop: threading.Event | None = None) -> Any:
        """Run `gopherwood chaos` with these arguments."""
        more = ["--serving", self.serving] if self.serving else []
        args = build_parser().parse_args(["chaos", *arguments, *more])
        return verb.run(self.settings, args, stop or threading.Event())

    def execute(self, name: str, **more: Any) -> Result:
        found = self.chaos(name, "--execute", "--seed", "1", **more)
        assert isinstance(found, Result)
        return found

    def journal(self, run: str) -> Journal:
        found = Journal.read(self.settings, run)
        assert found is not None
        return found

    def opt_in(self, *roles: str) -> None:
        """Write the file of roles that may be hit."""
        (self.home / "chaos").mkdir(exist_ok=True)
        (self.home / "chaos/opt-in").write_text("".join(f"{role}\n" for role in roles))
