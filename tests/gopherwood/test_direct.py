"""Versions straight from version control: the real `go` and the real git, over real repositories on loopback."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote, Repository
from fakes.goproxy import GoProxy
from gopherwood import dirhash, info, modzip, smoke, toolchain
from gopherwood.config import Settings
from gopherwood.direct import Direct
from gopherwood.errors import (
    ConfigError,
    GopherwoodError,
    InvalidVersionError,
    NotFoundError,
    RefusedError,
    StoppedError,
    TooLargeError,
    UpstreamError,
)
from gopherwood.module import ModuleVersion
from gopherwood.upstream import Upstream

M = "github.com/acme/m"
OLD = "github.com/acme/old"
V1 = ModuleVersion(M, "v1.0.0")


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitRemote]:
    """Serve repositories, and let https://github.com/acme mean them; nothing else of git or Go is configured."""
    for name in ("HTTPS_PROXY", "https_proxy", "NETRC", "GIT_SSH_COMMAND", "GOFLAGS", "GOPRIVATE", "GONOPROXY"):
        monkeypatch.delenv(name, raising=False)
    with GitRemote(tmp_path / "remote") as remote:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(remote.config))
        yield remote


@pytest.fixture
def acme(remote: GitRemote) -> Repository:
    """Make a repository with a tagged module."""
    made = remote.repository(M)
    made.commit({"go.mod": f"module {M}\n\ngo 1.21\n", "m.go": "package m\n"}, tag="v1.0.0")
    return made


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture
def direct(temporary: Path) -> Iterator[Direct]:
    """Version control as a source; closing it leaves no file behind."""
    made = Direct(Settings(), private="github.com/acme")
    yield made
    made.close()
    assert list(temporary.iterdir()) == []


def whole(direct: Direct, mv: ModuleVersion, folder: Path) -> info.Info:
    """Get the three files of a version, check the zip by every rule, and return what the `.info` says."""
    said, mod = direct.info(mv), direct.mod(mv)
    path = folder / "m.zip"
    assert direct.zip_to(mv, path) == path.stat().st_size
    assert mod.startswith(f"module {mv.path}".encode())
    modzip.check_zip(mv, path).err()
    return info.parse(said, mv)


def test_a_tagged_version_with_its_origin(acme: Repository, direct: Direct, tmp_path: Path) -> None:
    """All three files from one run, and Origin says which commit of which repository they are."""
    found = whole(direct, V1, tmp_path)
    assert found.origin is not None
    assert (found.origin["VCS"], found.origin["Ref"]) == ("git", "refs/tags/v1.0.0")
    assert found.origin["Hash"] == acme.git("rev-parse", "HEAD")


def test_a_pseudo_version(acme: Repository, direct: Direct, tmp_path: Path) -> None:
    """A commit that no tag names is a version as well."""
    commit = acme.commit({"n.go": "package m\n"}, time="2021-01-01T00:00:00Z")
    whole(direct, ModuleVersion(M, f"v1.0.1-0.20210101000000-{commit[:12]}"), tmp_path)


def test_a_pseudo_version_that_lies(acme: Repository, direct: Direct) -> None:
    """A right commit with a wrong time is no version: rejected, not tried again."""
    commit = acme.commit({"n.go": "package m\n"}, time="2021-01-01T00:00:00Z")
    with pytest.raises(InvalidVersionError, match="pseudo-version"):
        direct.info(ModuleVersion(M, f"v1.0.1-0.20200101000000-{commit[:12]}"))


def test_a_module_in_a_subdirectory(acme: Repository, direct: Direct, tmp_path: Path) -> None:
    """Its tags carry the folder's name, and Origin says which folder."""
    acme.commit({"sub/go.mod": f"module {M}/sub\n", "sub/s.go": "package sub\n"}, tag="sub/v0.1.0")
    found = whole(direct, ModuleVersion(f"{M}/sub", "v0.1.0"), tmp_path)
    assert found.origin is not None
    assert found.origin["Subdir"] == "sub"


def test_a_later_major_version(acme: Repository, direct: Direct, tmp_path: Path) -> None:
    """/v2 at the top of the repository."""
    acme.commit({"go.mod": f"module {M}/v2\n"}, tag="v2.0.0")
    whole(direct, ModuleVersion(f"{M}/v2", "v2.0.0"), tmp_path)


def test_an_incompatible_version_without_a_go_mod(remote: GitRemote, direct: Direct, tmp_path: Path) -> None:
    """Its .mod is `module PATH` alone."""
    remote.repository(OLD).commit({"old.go": "package old\n"}, tag="v3.0.0")
    mv = ModuleVersion(OLD, "v3.0.0+incompatible")
    assert direct.mod(mv) == f"module {OLD}\n".encode()
    whole(direct, mv, tmp_path)


def test_the_hash_is_the_one_that_go_writes_into_go_sum(acme: Repository, direct: Direct, tmp_path: Path) -> None:
    """The zip's h1 is that of a `go mod download` outside the sandbox."""
    direct.zip_to(V1, tmp_path / "m.zip")
    environ = os.environ | {"GOPROXY": "direct", "GOSUMDB": "off", "GOMODCACHE": str(tmp_path / "mod")}
    environ |= {"GOFLAGS": "-modcacherw", "GIT_CONFIG_NOSYSTEM": "1"}
    command = [toolchain.find_go(), "mod", "download", "-json", str(V1)]
    said = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=True)
    assert dirhash.hash_zip(tmp_path / "m.zip") == json.loads(said.stdout)["Sum"]


def test_lists_and_queries(acme: Repository, direct: Direct) -> None:
    """Tags are the list; latest, prefixes, branches and commits resolve as `go` resolves them."""
    acme.commit({"a.go": "package m\n"}, tag="v1.1.0")
    head = acme.commit({"b.go": "package m\n"}, time="2021-01-01T00:00:00Z")
    assert direct.list(M) == ["v1.0.0", "v1.1.0"]
    pseudo = f"v1.1.1-0.20210101000000-{head[:12]}"
    for query, version in {"latest": "v1.1.0", "v1.0": "v1.0.0", "main": pseudo, head: pseudo}.items():
        assert json.loads(direct.query(M, query))["Version"] == version
    with pytest.raises(NotFoundError):
        direct.query(M, "nosuch")


@pytest.mark.parametrize(
    "mv",
    [
        ModuleVersion(M, "v1.9.9"),
        ModuleVersion("github.com/acme/nosuch", "v1.0.0"),
        ModuleVersion(M, "v2.0.0+incompatible"),
    ],
)
def test_what_is_not_there(acme: Repository, direct: Direct, mv: ModuleVersion) -> None:
    """No such tag, no such repository: gone, in words without a path of this machine."""
    with pytest.raises(NotFoundError) as caught:
        direct.info(mv)
    assert "/tmp" not in str(caught.value)
    assert str(caught.value).count(str(mv)) == 1


def test_credentials_are_asked_of_nobody(remote: GitRemote, acme: Repository, direct: Direct) -> None:
    """A repository that wants a password is refused at once, and the hint says where to name one."""
    remote.user = ("user", "secret")
    with pytest.raises(RefusedError) as caught:
        direct.info(V1)
    assert "NETRC" in caught.value.hint


def test_credentials_of_netrc(
    remote: GitRemote, acme: Repository, direct: Direct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that NETRC names comes along into the sandbox."""
    remote.user = ("user", "secret")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    whole(direct, V1, tmp_path)


def test_nothing_of_the_user_leaks_in(
    acme: Repository, direct: Direct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's home, GOFLAGS, GOENV, GOWORK, GOPROXY, proxies for tools and git's variables change nothing."""
    home = tmp_path / "home"
    (home / ".config/go").mkdir(parents=True)
    (home / ".config/go/env").write_text("GOFLAGS=-nonsense\nGOVCS=*:off\n")
    (home / ".gitconfig").write_text('[url "http://127.0.0.1:9/"]\n\tinsteadOf = https://github.com/\n')
    monkeypatch.setenv("HOME", str(home))
    for name, value in {"GOFLAGS": "-mod=vendor -nonsense", "GOENV": str(home / ".config/go/env")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOWORK", str(tmp_path / "go.work"))
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'url.http://127.0.0.1:9/.insteadOf=https://github.com/'")
    whole(direct, V1, tmp_path)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    with pytest.raises(UpstreamError, match=r"github\.com"):  # not 127.0.0.1:9: the home's .gitconfig is not read
        direct.info(V1)


def test_a_hanging_server_ends_with_the_time_limit(remote: GitRemote, acme: Repository, temporary: Path) -> None:
    """The version is tried again later; no process of the run is left, nor a file."""
    remote.hanging.add(M)
    direct = Direct(Settings(direct_timeout=1.0), private="github.com/acme")
    with pytest.raises(UpstreamError, match="longer than 1 seconds") as caught:
        direct.info(V1)
    assert caught.value.retry
    assert processes_in(temporary) == []
    direct.close()
    assert list(temporary.iterdir()) == []


def test_a_stop_ends_what_runs(remote: GitRemote, acme: Repository, direct: Direct, temporary: Path) -> None:
    """Told to stop in the middle of a clone, it ends at once, with all its processes."""
    remote.hanging.add(M)
    errors: list[GopherwoodError] = []

    def ask() -> None:
        try:
            direct.info(V1)
        except GopherwoodError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: remote.requests[M])
    direct.stop()
    thread.join(30)
    assert [type(error) for error in errors] == [StoppedError]
    assert processes_in(temporary) == []


def test_sigkill_of_ours_leaves_no_process_and_no_clone(remote: GitRemote, acme: Repository, temporary: Path) -> None:
    """Who cannot clean up is cleaned up after: the sandbox sees its starter end, and the next start sweeps the rest."""
    remote.hanging.add(M)
    program = (
        "from gopherwood.direct import *; import time;"
        f"Direct(Settings(), 'github.com/acme').info(ModuleVersion('{M}', 'v1.0.0'))"
    )
    environ = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environ)
    until(lambda: remote.requests[M])
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: processes_in(temporary) == [])
    until(lambda: list(temporary.glob("*/run-*")) == [])
    remote.hanging.clear()
    with_sweep = Direct(Settings(), "github.com/acme")
    with_sweep.info(V1)
    with_sweep.close()
    assert list(temporary.iterdir()) == []


def test_a_huge_repository_is_refused(acme: Repository, temporary: Path) -> None:
    """More than the limit on disk: rejected, whatever it holds."""
    acme.commit({"big.bin": os.urandom(3 << 20)}, tag="v1.1.0")
    direct = Direct(Settings(direct_bytes=1 << 20), private="github.com/acme")
    with pytest.raises(TooLargeError, match="1048576 bytes"):
        direct.info(ModuleVersion(M, "v1.1.0"))
    direct.close()


def test_public_modules_do_not_lead_inwards(direct: Direct) -> None:
    """A path whose host is this machine is not looked for, unless a pattern says that it is ours."""
    with pytest.raises(RefusedError) as caught:
        direct.info(ModuleVersion("127.0.0.1/m", "v1.0.0"))
    assert "GOPHERWOOD_PRIVATE" in caught.value.hint


@pytest.mark.parametrize(
    "mv", [ModuleVersion("-x.test/m", "v1.0.0"), ModuleVersion(M, "v1.0.0;id"), ModuleVersion(M, "--x")]
)
def test_what_is_no_module_version_reaches_no_command_line(direct: Direct, mv: ModuleVersion) -> None:
    """Leading dashes and shell characters are no paths and no versions."""
    with pytest.raises(GopherwoodError, match=r"malformed|invalid"):
        direct.info(mv)


def test_other_version_control_is_off(acme: Repository, temporary: Path) -> None:
    """GOPHERWOOD_DIRECT_VCS is a GOVCS; what it does not allow is refused, and the hint names it."""
    direct = Direct(Settings(direct_vcs="*:hg"), private="github.com/acme")
    with pytest.raises(RefusedError, match="GOVCS") as caught:
        direct.info(V1)
    assert "GOPHERWOOD_DIRECT_VCS" in caught.value.hint
    direct.close()


def test_a_module_for_a_newer_go(acme: Repository, direct: Direct) -> None:
    """The Go at hand cannot make it: tried again later, and the hint says what helps."""
    acme.commit({"go.mod": f"module {M}\n\ngo 1.999\n"}, tag="v1.1.0")
    with pytest.raises(RefusedError) as caught:
        direct.info(ModuleVersion(M, "v1.1.0"))
    assert "newer Go" in caught.value.hint


def test_without_git(acme: Repository, direct: Direct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No git is a configuration error that says what to install, and how to do without."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/go").symlink_to(Path(shutil.which("go") or toolchain.find_go()))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ConfigError) as caught:
        direct.info(V1)
    assert "GOPHERWOOD_DIRECT=off" in caught.value.hint
    settings = Settings(home=tmp_path, upstream="off", sumdb="off", private="github.com/acme")
    assert "no git" in smoke.run(settings).broken["go"]
    assert "not needed" in smoke.run(replace(settings, direct="off")).parts["go"]


# --- as part of an upstream -------------------------------------------------------------------------------------------


@pytest.fixture
def proxy() -> Iterator[GoProxy]:
    with GoProxy() as proxy:
        yield proxy


def has(settings: Settings) -> bool:
    """Tell whether an upstream of these settings has the version."""
    upstream = Upstream.from_settings(settings)
    try:
        return bool(upstream.info(V1))
    except NotFoundError:
        return False
    finally:
        upstream.close()


@pytest.mark.parametrize(
    ("listed", "mode", "private", "found"),
    [
        ("{proxy},direct", "private", "", True),
        ("{proxy},direct", "off", "", False),
        ("{proxy}", "on", "", False),
        ("direct", "private", "", True),
        ("{proxy},off", "private", "github.com/acme", True),
        ("{proxy},off", "off", "github.com/acme", False),
    ],
)
def test_who_is_allowed(
    acme: Repository, proxy: GoProxy, temporary: Path, listed: str, mode: str, private: str, found: bool
) -> None:
    """A list of ours that says `direct` allows it to all, `private` to what a pattern names, `off` to nobody."""
    settings = Settings(upstream=listed.format(proxy=proxy.url), direct=mode, private=private)
    assert has(settings) == found
    assert bool(proxy.requests) == (not private and "{proxy}" in listed)


@pytest.mark.parametrize(
    ("mode", "private", "found"), [("private", "", False), ("on", "", True), ("private", "github.com/acme", True)]
)
def test_the_default_of_go_allows_nothing(
    acme: Repository,
    proxy: GoProxy,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    private: str,
    found: bool,
) -> None:
    """`direct` in GOPROXY counts with `--direct on` alone; GOPRIVATE of the Go configuration counts by itself."""
    monkeypatch.setenv("GOPROXY", f"{proxy.url},direct")
    monkeypatch.setenv("GOPRIVATE", private)
    monkeypatch.setenv("GONOPROXY", private)
    assert has(Settings(direct=mode)) == found


def test_a_mode_that_is_none() -> None:
    """The error names the words there are."""
    with pytest.raises(ConfigError) as caught:
        Upstream.from_settings(replace(Settings(), upstream="off", direct="yes"))
    assert "private" in caught.value.hint


def test_questions_about_private_modules(acme: Repository, temporary: Path) -> None:
    """@latest and @all of a private module are answered by its repository."""
    acme.commit({"a.go": "package m\n"}, tag="v1.1.0")
    upstream = Upstream.from_settings(Settings(upstream="off", private="github.com/acme"))
    assert upstream.latest(M).version == "v1.1.0"
    assert upstream.versions(M, "all") == ["v1.0.0", "v1.1.0"]
    upstream.close()


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of processes that name a folder or work in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode("utf-8", "replace")
            if str(folder) in line or str(process.joinpath("cwd").readlink()).startswith(str(folder)):
                found.append(line)
        except OSError:
            continue
    return found


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
