"""Settings: read from the environment, refused with the setting's name and with what to do."""

from pathlib import Path

import pytest

from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import ConfigError, StorageError


def test_settings_come_from_the_environment():
    """Each field is a variable of its own; what is empty or not named keeps its default."""
    settings = Settings.from_env({"GOPHERWOOD_HOME": "/somewhere", "GOPHERWOOD_BATCH": "7", "GOPHERWOOD_STORE": ""})
    assert (settings.home, settings.batch) == (Path("/somewhere"), 7)
    assert settings.store_url == "file:///somewhere/store"


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5"])
def test_bad_number_names_its_setting(text):
    """A number that cannot be meant names the setting, and says what to do about it."""
    with pytest.raises(ConfigError, match="GOPHERWOOD_CONCURRENCY") as error:
        Settings.from_env({"GOPHERWOOD_CONCURRENCY": text})
    assert "GOPHERWOOD_CONCURRENCY" in error.value.hint


def test_home_that_is_a_file_is_a_setting_to_mend(tmp_path):
    """State cannot lie below a file: the catalog says which settings lead there, and is no traceback."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="file cannot be made") as error:
        Catalog.open(Settings(home=tmp_path / "file"))
    assert "GOPHERWOOD_HOME" in error.value.hint


def test_catalog_without_tables_names_the_command(tmp_path):
    """Before the first migration, every question is answered with the command that mends it."""
    with Catalog.open(Settings(home=tmp_path)) as catalog, pytest.raises(StorageError) as error:
        catalog.counts()
    assert "gopherwood migrate" in error.value.hint
