"""The ledger's key pair: made once, secret, and refused with a reason when it is not what it should be."""

import os
import stat
import subprocess
import sys
from dataclasses import replace

import pytest

from fakes import logged
from gopherwood import cli, note
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_USAGE, ConfigError
from gopherwood.ledger import key, show


@pytest.fixture
def home(tmp_path):
    return Settings(home=tmp_path / "home")


def test_the_secret_is_for_its_owner_alone(home):
    """The key is made where it is looked for, mode 0600, in Go's form; the second time it is only shown."""
    made = show.key(home, "ledger.example")
    path = home.home / "ledger.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text()
    assert note.new_signer(secret.strip()).verifier_key == made.key
    again = show.key(home)
    assert (made.made, again.made, again.key, path.read_text()) == (True, False, made.key, secret)
    assert [each.name for each in path.parent.iterdir() if each.name.startswith("ledger.key")] == ["ledger.key"]
    with Catalog.open(home) as catalog:
        assert catalog.ledger_key() == made.key


def test_a_key_is_never_overwritten(home):
    """Another name than the key's is refused, and changes nothing."""
    show.key(home, "ledger.example")
    before = (home.home / "ledger.key").read_bytes()
    with pytest.raises(ConfigError, match="not other"):
        show.key(home, "other.example")
    assert (home.home / "ledger.key").read_bytes() == before


def test_no_second_key_for_a_signed_ledger(home):
    """Where the secret is not, none is made in its place: the error names the key and says what to bring."""
    with Catalog.ready(home) as catalog:
        catalog.ledger_append(logged.entries(0, 1), logged.signer())
    with pytest.raises(ConfigError, match="its secret is not here") as error:
        show.key(home)
    assert "GOPHERWOOD_LEDGER_KEY_FILE" in error.value.hint
    assert not (home.home / "ledger.key").exists()


def test_the_environment_comes_before_the_file(home):
    """The secret itself may be in the environment, and then no file is made."""
    shown = show.key(replace(home, ledger_key=logged.SECRET))
    assert (shown.key, shown.secret_in) == (logged.KEY, "the environment (GOPHERWOOD_LEDGER_KEY)")
    assert not (home.home / "ledger.key").exists()


def test_a_file_that_was_named_must_be_there(home, tmp_path):
    """A key file that is configured and missing would leave the log unsigned: it is an error."""
    with pytest.raises(ConfigError, match="is not there"):
        key.find_signer(replace(home, ledger_key_file=str(tmp_path / "nowhere")))
    assert key.find_signer(home) is None


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", logged.KEY, logged.SECRET[:-6], logged.SECRET.replace("log", "lag"), f"{logged.SECRET} x", "\xff"],
)
def test_a_malformed_key_is_refused_and_not_shown(home, tmp_path, text):
    """The error says where the key is, never what it is."""
    path = tmp_path / "key"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=str(path)) as error:
        key.find_signer(replace(home, ledger_key_file=str(path)))
    assert text.strip()[-40:] not in error.value.diagnostics() or not text


@pytest.mark.parametrize("name", ["", "a b", "a+b", "/a", "a//b", "é.example", "a/", "https://a", "a\n"])
def test_names_that_go_refuses_are_refused(name):
    """A ledger's name is host[/path], for it is what GOSUMDB carries."""
    with pytest.raises(ConfigError, match="cannot be a ledger's name"):
        key.check_name(name)


@pytest.mark.parametrize(
    ("host", "name"), [("vm", "gopherwood.vm"), ("My_Host.é", "gopherwood.my-host"), ("--", "gopherwood.local")]
)
def test_a_name_is_made_of_the_machines(host, name):
    """Without a name, the machine's is made valid."""
    assert key.default_name(host) == name


def test_the_secret_is_no_flag_and_never_shown(home, capsys):
    """Not in --help, not in a command line, not in the text of settings, not in what a verb prints."""
    settings = replace(home, ledger_key=logged.SECRET)
    assert logged.SECRET not in repr(settings)
    assert logged.SECRET not in repr(logged.signer()) + str(vars(logged.signer()))
    with pytest.raises(SystemExit):
        cli.main(["ledger", "key", "--home", str(home.home), "--ledger-key", "x"])
    with pytest.raises(SystemExit):
        cli.main(["ledger", "--help"])
    assert "--ledger-key " not in capsys.readouterr().out


def test_what_a_run_prints_and_writes_has_no_secret(home):
    """A run with a key, a crash of it with its traceback, and all files of the home: the secret is in none."""
    seed = logged.SECRET.rpartition("+")[2]
    code = (
        "from gopherwood import cli, publish; publish.version_list = None; import sys; sys.exit(cli.main(sys.argv[1:]))"
    )
    environ = os.environ | {"GOPHERWOOD_HOME": str(home.home), "GOPHERWOOD_LEDGER_KEY": logged.SECRET}
    for line in (["ledger", "key"], ["ledger", "head"], ["publish"], ["ledger", "verify"], ["ledger", "--since", "x"]):
        done = subprocess.run([sys.executable, "-c", code, *line], env=environ, capture_output=True, text=True)
        assert seed not in done.stdout + done.stderr
    assert all(seed.encode() not in path.read_bytes() for path in home.home.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("key --since 3", "takes no --since"),
        ("head example.com/m@v1.0.0", "takes no MODULE@VERSION"),
        ("proof", "a proof of what?"),
        ("verify --since -1", "is no entry"),
        ("verify --name a.example", "takes no --name"),
    ],
)
def test_flags_that_make_no_sense_are_refused(line, says, capsys):
    """What does not go together is bad usage, said with what to do."""
    assert cli.main(["ledger", *line.split()]) == EXIT_USAGE
    assert says in capsys.readouterr().err
