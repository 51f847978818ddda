"""The oracle program, built once a session."""

import pytest

from oracle.driver import Oracle


@pytest.fixture(scope="session")
def oracle(tmp_path_factory):
    """Build the program that answers with x/mod itself."""
    return Oracle(tmp_path_factory.mktemp("oracle"))
