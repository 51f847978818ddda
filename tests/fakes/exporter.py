"""The real exporter, as a process, and what it says."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from gopherwood.config import Settings

Samples = dict[str, float]
"""Values by name and labels, as Prometheus writes them: `name{label="value"}`."""


class Exporter:
    """Runs `gopherwood exporter` on a platform; use it as a context manager."""

    def __init__(self, settings: Settings, **environ: str) -> None:
        self._environ = {"PATH": "/usr/bin:/bin", "GOPHERWOOD_HOME": str(settings.home), **environ}

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "gopherwood", "exporter", "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, env=self._environ, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.url = f"http://127.0.0.1:{json.loads(self.process.stderr.readline())['port']}"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """End it as Kubernetes does; return its exit code."""
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as response:
            return response.read().decode()

    def scrape(self) -> Samples:
        return samples(self.get("/metrics"))


def samples(text: str) -> Samples:
    """Read a scrape."""
    families = text_string_to_metric_families(text)
    return {f"{each.name}{_labels(each.labels)}": each.value for family in families for each in family.samples}


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{{{inside}}}" if inside else ""
