"""`up` and the ledger: the first start makes a key, and what only reads never gets the secret."""

from fakes import logged
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.ledger.key import find_signer
from gopherwood.up import airflow, platform


def test_the_first_start_makes_a_key_and_the_next_finds_it(tmp_path):
    """The key that people are told is that of the secret in the home, at every start."""
    settings = Settings(home=tmp_path)
    with Catalog.ready(settings):
        told = platform.ledger_key(settings)
    assert (platform.ledger_key(settings), find_signer(settings).key) == (told, told)


def test_a_ledger_that_was_signed_elsewhere_keeps_its_key(tmp_path):
    """No second key is made beside a shared catalog's, and `up` starts all the same."""
    settings = Settings(home=tmp_path)
    with Catalog.ready(settings) as catalog:
        catalog.ledger_append(logged.entries(0, 1), logged.signer())
    assert (platform.ledger_key(settings), (tmp_path / "ledger.key").exists()) == (logged.KEY, False)


def test_serving_is_started_without_the_secret(tmp_path):
    """Tasks sign, serving does not: its environment holds no key, and that of the tasks does."""
    env = airflow.environment(Settings(home=tmp_path, ledger_key=logged.SECRET), {})
    assert env["GOPHERWOOD_LEDGER_KEY"] == logged.SECRET
    assert logged.SECRET not in platform.without_secrets(env).values()
