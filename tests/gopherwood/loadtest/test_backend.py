"""The pipeline, loaded twice and then lied to: what the scenario `backend` finds, at a size that tests can afford."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gopherwood.loadtest.verb import Result

pytestmark = [pytest.mark.load, pytest.mark.timeout(900)]
MODULES = 150
LIMITS = "[backend]\nsecond_pass = 0.5\nerrors = 0.0\n[validity]\ngenerator_cpu = 0.95\n"


def test_twice_and_then_hostile(run: Callable[..., tuple[Result, dict[str, Any]]], tmp_path: Path) -> None:
    """None lost, nothing fetched or changed the second time, and each changed zip raised while the first one stays."""
    slo = tmp_path / "slo.toml"
    slo.write_text(LIMITS)
    flags = ("--modules", str(MODULES), "--hostile", "--workers", "2", "--scratch", str(tmp_path), "--slo", str(slo))
    result, report = run("backend", *flags, url=False)
    assert (result.verdict, result.reason) == ("pass", "")
    said = {check["name"]: check["found"] for check in report["thresholds"]}
    assert said["first pass: versions lost"] == said["second pass: bytes fetched"] == "0"
    assert said["second pass: rows added"] == "none"
    assert said["changed upstream, new catalog: conflicts raised"] == "2"
    first, second, asked, hostile = report["passes"]
    assert [each["exit_code"] for each in (first, second, asked, hostile)] == [0, 99, 99, 3]
    assert first["upstream"]["requests"] >= 3 * MODULES
    assert second["upstream"]["requests"] == asked["upstream"]["requests"] == 0
    assert hostile["upstream"]["bytes"] > 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("gopherwood-backend-")]
