"""The stop button: something that anybody can delete, and an experiment ends and is rolled back.

It is a file in the folder (or bucket) of reports, `chaos/running`, which every phase of a run sees wherever it runs;
for experiments on pods a ConfigMap, `gopherwood-chaos-running`. The runner makes it, looks at it while it waits and
before each deed, and takes it away at the end.
"""

from contextlib import suppress
from typing import Protocol

from gopherwood.chaos.kube import Kube, NotThereError
from gopherwood.config import Settings
from gopherwood.objects import open_objects

CONFIG_MAP = "gopherwood-chaos-running"
FILE = "chaos/running"


class Button(Protocol):
    """A stop button."""

    says: str
    """What to delete, in words."""

    def make(self, run: str) -> None:
        """Make it; one that is there already stays."""

    def is_there(self) -> bool:
        """Tell whether nobody has deleted it. Raises OursError when that cannot be told."""

    def remove(self) -> None:
        """Take it away."""


class FileButton:
    """A file beside the reports that is deleted to stop; in a bucket, where those are in one."""

    def __init__(self, settings: Settings) -> None:
        self._objects = open_objects(settings.reports_url, mutable=True, settings=settings)
        path = self._objects.local_path(FILE)
        self.says = f"rm {path}" if path else f"delete {self._objects.url}/{FILE}"

    def make(self, run: str) -> None:
        """Make the file."""
        says = f"{run}\nDelete this file, and the experiment ends and is rolled back.\n"
        self._objects.replace(FILE, says.encode())

    def is_there(self) -> bool:
        """Tell whether the file is there."""
        return self._objects.size(FILE) is not None

    def remove(self) -> None:
        """Remove the file."""
        self._objects.delete(FILE)


class ConfigMapButton:
    """A ConfigMap that is deleted to stop."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._path = f"/api/v1/namespaces/{kube.namespace}/configmaps"
        self.says = f"kubectl -n {kube.namespace} delete configmap {CONFIG_MAP}"

    def make(self, run: str) -> None:
        """Make the ConfigMap, in place of one that was left."""
        self.remove()
        body = {"metadata": {"name": CONFIG_MAP}, "data": {"run": run, "stop": "delete this ConfigMap"}}
        self._kube.ask("POST", self._path, body)

    def is_there(self) -> bool:
        """Tell whether the ConfigMap is there."""
        try:
            self._kube.ask("GET", f"{self._path}/{CONFIG_MAP}")
        except NotThereError:
            return False
        return True

    def remove(self) -> None:
        """Delete the ConfigMap."""
        with suppress(NotThereError):
            self._kube.ask("DELETE", f"{self._path}/{CONFIG_MAP}")
