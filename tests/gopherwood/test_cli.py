"""The command line: every verb is known, every exit code is kept, and starting it costs little."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.goproxy import GoProxy, slow
from gopherwood import cli
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.errors import EXIT_USAGE, ConfigError
from gopherwood.module import ModuleVersion
from gopherwood.states import State

ROOT = Path(__file__).resolve().parents[2]
VERBS = sorted(cli.commands_of(cli.build_parser()))


def gopherwood(*arguments: str | Path, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a pod does."""
    return subprocess.run(
        [sys.executable, "-m", "gopherwood", *map(str, arguments)],
        env=os.environ | {"GOPHERWOOD_HOME": str(home)} | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`gopherwood VERB --help` prints what the verb does and its flags."""
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert f"usage: gopherwood {verb}" in capsys.readouterr().out


def test_every_verb_has_a_command() -> None:
    """What the parser knows can be run."""
    from gopherwood import commands

    assert sorted(commands.COMMANDS) == VERBS


@pytest.mark.parametrize(
    "line",
    [
        "discover --source index --since 2026-10-01T00:00:00+00:00 --until 2026-10-01T01:00:00+00:00",
        "discover --source seed example.com/a@v1.0.0 example.com/b@latest",
        "discover --source seed --seed default",
        "discover --source updates",
        "plan --max-workers 4 --xcom",
        "fetch --worker 3",
        "status --json",
        "smoke",
        "ingest go.mod --closure --workers 2 --home /tmp/x --upstream https://example.com,off",
        "--json --home /tmp/x status",
    ],
)
def test_commands_that_others_issue_are_understood(line: str) -> None:
    """The command lines of DAGs and of the handbook parse."""
    assert cli.build_parser().parse_args(line.split()).command in VERBS


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting as a flag, before or after the verb, replaces the environment's."""
    monkeypatch.setenv("GOPHERWOOD_HOME", "/from/environment")
    monkeypatch.setenv("GOPHERWOOD_CONCURRENCY", "3")
    args = cli.build_parser().parse_args(["--home", "/from/flag", "status", "--batch", "7"])
    assert cli.settings_of(args) == Settings(home=Path("/from/flag"), concurrency=3, batch=7)


def test_a_setting_of_the_wrong_form_is_named() -> None:
    """A number that is none is a configuration error that names the setting."""
    args = cli.build_parser().parse_args(["status", "--concurrency", "many"])
    with pytest.raises(ConfigError, match="GOPHERWOOD_CONCURRENCY='many' is not a number"):
        cli.settings_of(args)


@pytest.mark.parametrize("line", ["status --batch x", "discover", "discover --source index --since x"])
def test_bad_usage_is_exit_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong setting and a contradiction end with 2, a line on stderr, and nothing on stdout."""
    assert cli.main(["--log", "text", *line.split()]) == EXIT_USAGE
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("gopherwood ")) == ("", True)


def test_an_unknown_verb_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """What the parser itself refuses has the same exit code."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["nosuch"])
    assert ended.value.code == EXIT_USAGE
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ingest --max -1", "'-1' is not a whole number above zero"),
        ("ingest --workers 0", "'0' is not a whole number above zero"),
        ("ingest --wait -1", "'-1' is not a number of seconds"),
        ("ingest --wait nan", "'nan' is not a number of seconds"),
        ("fetch --limit many", "'many' is not a whole number"),
        ("check-zip", "`gopherwood check-zip --help`"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the parser refuses is said with the verb's own name, and how to learn more."""
    with pytest.raises(SystemExit) as ended:
        cli.main(line.split())
    said = capsys.readouterr().err
    assert (ended.value.code, says in said) == (EXIT_USAGE, True)
    assert f"\ngopherwood {line.split()[0]}: " in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("status x", 'malformed module path "x"'),
        ("status rsc.io/quote@v9.9.9", "status: rsc.io/quote@v9.9.9: invalid version"),
        ("check-zip rsc.io/quote x.zip", "rsc.io/quote names no version"),
        ("discover --source index --since 2026-02-01 --until 2026-01-01", "is after --until"),
        ("discover --source updates --since 2026-02-01", "go with --source index"),
        ("ingest --closure", "--closure of what?"),
    ],
)
def test_usage_errors_say_what_to_do(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong is said once, and a second line says what would be right."""
    assert cli.main(["--log", "text", *line.split()]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert (says in said, len(said.splitlines())) == (True, 2)


def test_no_verb_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`gopherwood` alone explains itself and is bad usage; nothing is on stdout."""
    assert cli.main([]) == EXIT_USAGE
    said = capsys.readouterr()
    assert (said.out, "check a module zip" in said.err) == ("", True)


def test_help_may_be_asked_for_like_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """`gopherwood help status` is `gopherwood status --help`."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["help", "status"])
    assert (ended.value.code, "usage: gopherwood status" in capsys.readouterr().out) == (0, True)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A home below a file is a configuration error that names the setting, not a crash."""
    (tmp_path / "file").write_text("")
    assert cli.main(["status", "--home", str(tmp_path / "file")]) == EXIT_USAGE
    assert "GOPHERWOOD_HOME" in capsys.readouterr().err


def test_a_crash_is_exit_code_1_with_a_traceback(tmp_path: Path) -> None:
    """Whatever nobody foresaw is in the task's log, and a retry may help."""
    code = (
        "from gopherwood import cli, commands as c; c.COMMANDS['status'] = lambda *_: 1 / 0; exit(cli.main(['status']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Make a home with a catalog of 450 wanted versions."""
    with Catalog.open(Settings(home=tmp_path)) as catalog:
        catalog.migrate()
        catalog.enqueue([ModuleVersion("example.com/m", f"v1.0.{n}") for n in range(450)], source="seed")
    return tmp_path


def test_results_are_one_line_of_json_off_a_terminal(home: Path) -> None:
    """`gopherwood status | jq` works: logs go to stderr, one object to stdout."""
    done = gopherwood("status", home=home)
    assert json.loads(done.stdout)["counts"]["queued"] == 450


def test_plan_hands_its_list_to_airflow(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--xcom writes the result where GOPHERWOOD_XCOM says: three workers for 450 versions."""
    xcom = home / "xcom" / "return.json"
    monkeypatch.setenv("GOPHERWOOD_XCOM", str(xcom))
    assert cli.main(["plan", "--max-workers", "4", "--xcom", "--home", str(home)]) == 0
    assert json.loads(xcom.read_text()) == [0, 1, 2]


def test_sigterm_gives_leases_back(home: Path) -> None:
    """A fetch that is told to end does so soon, with exit code 1, and its versions are queued again."""
    with GoProxy() as proxy:
        proxy.fail("example.com/m/@v/v1.0.0.info", slow(60))
        proxy.add("example.com/m", "v1.0.0")
        command = [sys.executable, "-m", "gopherwood", "fetch", "--home", str(home), "--limit", "1"]
        environ = os.environ | {"GOPHERWOOD_UPSTREAM": proxy.url}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not proxy.requests["example.com/m/@v/v1.0.0.info"]:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 1
    with Catalog.open(Settings(home=home)) as catalog:
        assert catalog.counts()[State.QUEUED] == 450


def test_the_reference_knows_every_verb_and_flag() -> None:
    """docs/reference-cli.md is what the parser says (`PYTHONPATH=tasks:tests python FILE` of this file writes it)."""
    assert (ROOT / "docs" / "reference-cli.md").read_text() == reference()


def reference() -> str:
    """Render the parser as Markdown."""
    parser = cli.build_parser()
    lines = [
        "# `gopherwood`: verbs and flags",
        "",
        "Generated from the parser; a test compares the two. Exit codes: 0 done, 99 nothing to do, 1 failed (a retry",
        "may help), 2 bad usage or configuration, 3 integrity (stop and page), 4 no verdict (a test that could not",
        "measure).",
        "",
        "Every verb also takes the flags of the last section, before its name or after it.",
    ]
    for name, verb in cli.commands_of(parser).items():
        lines += [
            "",
            f"## `{name}`",
            "",
            verb.description or "",
            "",
            f"    {verb.format_usage().removeprefix('usage: ').strip()}",
            "",
        ]
        lines += [line for line in _flags(verb) if line not in _flags(parser)]
    lines += ["", "## Every verb", "", *_flags(parser)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).rstrip() + "\n")


def _flags(parser: cli.Verb) -> list[str]:
    found = []
    for action in parser._actions:
        if action.help and action.dest not in ("help", "verb", "version"):
            name = " ".join(action.option_strings) or str(action.metavar)
            value = action.metavar or ("|".join(action.choices) if action.choices else "")
            shown = f"{name} {value}" if action.option_strings and value else name
            found.append(f"- `{shown}`: {action.help}")
    return found


if __name__ == "__main__":
    (ROOT / "docs" / "reference-cli.md").write_text(reference())


@pytest.mark.parametrize(
    ("line", "code"),
    [(["status"], 0), (["plan"], 0), (["discover", "example.com/m@v1.0.0"], 0), (["fetch"], 99), (["publish"], 99)],
)
def test_a_fresh_home_is_made_ready(line: list[str], code: int, tmp_path: Path) -> None:
    """Whatever verb comes first on this machine finds a catalog with tables."""
    assert gopherwood(*line, home=tmp_path / "fresh").returncode == code
