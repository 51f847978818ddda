"""The file of sinks and routes: what is wrong with it is said with line and key, before anything is sent."""

import json

import pytest

from gopherwood import cli
from gopherwood.catalog import Catalog, Event
from gopherwood.config import Settings
from gopherwood.errors import ConfigError
from gopherwood.http import Client
from gopherwood.notices import parse

HOOK = '[sinks.hook]\nkind = "webhook"\nurl = "env:HOOK_URL"\nsecret = "env:HOOK_SECRET"\n'
ROUTE = '[[routes]]\nevents = ["*"]\nto = ["hook"]\n'

WRONG = {
    'kind = "fax"': (2, "kind = 'fax' is none of slack, slack-webhook, webhook, mail, atom"),
    'secret = "hunter2hunter2hunter2"': (4, "secret is secret, and must not stand in this file"),
    'secret = "env:NOBODY"': (4, "names env:NOBODY, which is empty"),
    'url = "file:/nowhere"': (3, "names the file /nowhere, which cannot be read: No such file"),
    'secrets = "x"': (1, "secrets is not known"),
    'to = ["hook", "mail"]': (7, "to names 'mail', which is no sink"),
    'severity = "loud"': (8, "severity = 'loud' is none of info, warn, page"),
    'quiet = "22-7h"': (8, "quiet = '7h' is not understood"),
    'timezone = "Mars/Base"': (8, "timezone = 'Mars/Base' is not understood"),
    "events = 3": (6, "events is not a list of texts"),
    'routes = "x"': (0, "(at line"),
}


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK_URL", "https://hook.example/secret-path")
    monkeypatch.setenv("HOOK_SECRET", "0123456789abcdef")
    settings = Settings(home=tmp_path)

    def reads(text):
        settings.notices_path.write_text(text)
        with Client(settings) as client:
            return parse.read(settings, client)

    return reads


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_named_by_line_and_key(read, line):
    """Each mistake names the file, the line and the key, and nothing that is secret."""
    key = line.partition(" ")[0]
    lines = (HOOK + ROUTE).splitlines()
    at = next((number for number, each in enumerate(lines) if each.startswith(f"{key} ")), None)
    if at is not None:
        lines[at] = line
    elif key == "secrets":
        lines.insert(1, line)
    else:
        lines.append(line)
    number, says = WRONG[line]
    with pytest.raises(ConfigError) as caught:
        read("\n".join(lines) + ("\n[routes]" if key == "routes" else ""))
    assert says in str(caught.value)
    assert "secret-path" not in caught.value.diagnostics()
    assert "hunter2" not in caught.value.diagnostics()
    if key == "secrets":
        number = 2
    assert not number or f"notices.toml:{number}: " in str(caught.value)


def test_the_verb_checks_and_tells(tmp_path, hook, monkeypatch, capsys):
    """`--check` sends nothing; a run ends with 99 when there is nothing to tell, with 0 when it has told."""
    monkeypatch.setenv("HOOK_SECRET", hook.secret.decode())
    (tmp_path / "notices.toml").write_text(HOOK + ROUTE)
    home = ["--home", str(tmp_path), "--json"]
    assert cli.main(["notify", "--check", *home]) == 0
    assert json.loads(capsys.readouterr().out)["sinks"] == ["hook"]
    assert cli.main(["notify", *home]) == 99
    with Catalog.open(Settings(home=tmp_path)) as catalog:
        catalog.emit(Event("imported", "a bundle", {}))
    assert cli.main(["notify", "--once", *home]) == 0
    assert [each["subject"] for each in hook.taken] == ["a bundle"]
    assert cli.main(["notify", "--check", "--home", str(tmp_path / "empty")]) == 2
    assert "docs/notices.md" in capsys.readouterr().err
