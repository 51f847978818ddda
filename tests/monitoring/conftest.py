"""All tests here need Prometheus and Alertmanager with their tools (Debian has both): `make test-monitoring`."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is below this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.monitoring)
