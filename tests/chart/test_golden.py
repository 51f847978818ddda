"""The rendered manifests, reviewed by people: golden/base.yaml, and what differs from it in each environment.

`make golden` writes them anew; look at what changes before it is committed.
"""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
from chart.render import ENVIRONMENTS, GOLDEN, golden  # noqa: E402  (also a program: python tests/chart/test_golden.py)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what the golden files would be now."""
    return golden(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", ["base.yaml", *(f"{environment}.diff" for environment in ENVIRONMENTS)])
def test_manifests_are_as_reviewed(made: dict[str, str], name: str) -> None:
    """Nobody changes what is installed without seeing it."""
    assert made[name] == (GOLDEN / name).read_text(), "look at it, then: make golden"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in golden(Path(folder)).items():
            (GOLDEN / name).write_text(text)
