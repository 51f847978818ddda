"""What an experiment works with: the platform, its clients' address, the seed, and everything that may end it early."""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from gopherwood.catalog import Catalog
from gopherwood.chaos.button import Button, ConfigMapButton, FileButton
from gopherwood.chaos.experiment import Experiment
from gopherwood.chaos.journal import Journal
from gopherwood.chaos.kube import Kube
from gopherwood.config import Settings
from gopherwood.errors import StoppedError
from gopherwood.objects import Objects

LOOK_SECONDS = 0.2
"""Between two looks at anything that is waited for."""


@dataclass
class World:
    """Everything around a run."""

    settings: Settings
    catalog: Catalog
    objects: Objects
    experiment: Experiment
    journal: Journal
    serving: str
    """Where clients find the platform."""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def seed(self) -> int:
        """What everything random is drawn by."""
        return int(self.journal.head["seed"])

    @property
    def now(self) -> datetime:
        """The present time."""
        return self.catalog.clock()

    @cached_property
    def kube(self) -> Kube:
        """The cluster. Raises ConfigError when there is none."""
        return Kube.here()

    @cached_property
    def button(self) -> Button:
        """The stop button that fits the target."""
        return ConfigMapButton(self.kube) if self.experiment.target == "pods" else FileButton(self.settings)

    def check(self) -> None:
        """Raise StoppedError when somebody has asked us to end."""
        if self.stop.is_set():
            raise StoppedError("the experiment was told to end")
        if not self.button.is_there():
            raise StoppedError("somebody pressed the stop button")

    def wait(self, seconds: float) -> None:
        """Wait, and look at the stop button meanwhile; raises StoppedError."""
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            self.stop.wait(min(left, LOOK_SECONDS))
