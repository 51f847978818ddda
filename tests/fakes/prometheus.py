"""A real Prometheus on loopback, with our rules, scraping what it is told to."""

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml


class Prometheus:
    """Scrapes every half second; use it as a context manager. `jobs` are addresses by the name of their job."""

    def __init__(self, folder: Path, jobs: Mapping[str, str], groups: list[dict[str, Any]]) -> None:
        self._folder = folder
        scrapes = [{"job_name": job, "static_configs": [{"targets": [at]}]} for job, at in jobs.items()]
        often = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"}
        config = {"global": often, "rule_files": ["rules.yaml"], "scrape_configs": scrapes}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))

    def __enter__(self) -> Self:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._at = f"127.0.0.1:{free.getsockname()[1]}"
        flags = [f"--config.file={self._folder}/prometheus.yaml", f"--storage.tsdb.path={self._folder}/data"]
        flags += [f"--web.listen-address={self._at}", "--log.level=error"]
        self._process = subprocess.Popen(["prometheus", *flags])
        self.wait(lambda: self._get("/-/ready") is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples that an expression has now; an expression that does not parse is an AssertionError."""
        said = json.loads(self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}") or "{}")
        assert said.get("status") == "success", f"{expression}: {said}"
        result = said["data"]["result"]
        return list(result) if said["data"]["resultType"] == "vector" else [{"value": result}]

    def names(self) -> set[str]:
        """Return the names of all metrics that it has."""
        return set(json.loads(self._get("/api/v1/label/__name__/values") or "{}")["data"])

    def wait(self, done: Callable[[], bool], seconds: float = 60) -> None:
        """Wait till something is so."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.1)

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://{self._at}{path}", timeout=10) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            return error.read()
        except OSError:
            return None
