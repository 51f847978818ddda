"""The environments and their order: `helm-values/environments.json`, the one place that has them.

Each entry is a folder beside it, and where the environment is: a namespace, and a context of the kubeconfig when it is
not the current one. A release goes through them in this order.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gopherwood.errors import ConfigError, UsageError

FILE = Path("helm-values", "environments.json")


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment: its name, and where it is."""

    name: str
    namespace: str
    context: str = ""
    """Context of the kubeconfig; empty for the current one."""
    tags: bool = False
    """Whether images may be named by tags there."""

    def values(self, checkout: Path, chart: str) -> list[Path]:
        """Return the values file of a chart, if there is one: what differs from the chart's own values."""
        file = checkout / "helm-values" / self.name / f"{chart}.yaml"
        return [file] if file.exists() else []

    def lock(self, checkout: Path) -> Path:
        """Return the file that says what runs there."""
        return checkout / "helm-values" / self.name / "release.lock"


def read(checkout: Path) -> list[Environment]:
    """Return the environments in their order; raises ConfigError when the checkout does not say them."""
    file = checkout / FILE
    try:
        found = [Environment(**each) for each in json.loads(file.read_text())]
    except FileNotFoundError:
        raise ConfigError(f"{file} is not there", hint="name the checkout of the project with --checkout") from None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{file} does not say what the environments are: {error}") from None
    for what in ({each.name for each in found}, {(each.context, each.namespace) for each in found}):
        if not found or len(what) < len(found):
            raise ConfigError(f"{file}: each environment needs a name of its own, and a place of its own")
    return found


def pair(environments: Sequence[Environment], source: str, to: str) -> tuple[Environment | None, Environment]:
    """Return the environment that must have verified a release, None for the first one, and the one that gets it.

    Raises UsageError for names that do not follow one another.
    """
    names = [each.name for each in environments]
    order = " -> ".join(names)
    for name in (to, source):
        if name and name not in names:
            raise UsageError(f"there is no environment {name}", hint=f"there are, in this order: {order}")
    place = names.index(to)
    before = environments[place - 1] if place else None
    if source != (before.name if before else ""):
        expected = f"--from {before.name}" if before else "no --from: nothing is before it"
        raise UsageError(f"what goes to {to} comes with {expected}", hint=f"the order is {order}")
    return before, environments[place]
