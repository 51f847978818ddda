"""The stop button: something that anybody can delete, and an experiment ends and is rolled back.

On this machine it is a file, `<home>/chaos/running`; on a cluster a ConfigMap, `gopherwood-chaos-running`, so that
whoever may not kill the runner's pod can stop it all the same. The runner makes it, looks at it while it waits and
before each deed, and takes it away at the end.
"""

from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gopherwood.chaos.kube import Kube, NotThereError

CONFIG_MAP = "gopherwood-chaos-running"


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
    """A file that is deleted to stop."""

    def __init__(self, home: Path) -> None:
        self._file = home.absolute() / "chaos" / "running"
        self.says = f"rm {self._file}"

    def make(self, run: str) -> None:
        """Make the file."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(f"{run}\nDelete this file, and the experiment ends and is rolled back.\n")

    def is_there(self) -> bool:
        """Tell whether the file is there."""
        return self._file.exists()

    def remove(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)


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
