"""`audit --origin` from end to end: real repositories, real git, both databases; what is found, kept and told."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes import postgres
from fakes.gitremote import GitRemote, Repository
from fakes.goproxy import make_module, make_zip
from fakes.loopback import Answer, Loopback, status
from fakes.site import Site
from fakes.tls import Authority
from fakes.tunnel import Tunnel
from gopherwood.audit import origin
from gopherwood.catalog import Finding, OriginRow
from gopherwood.catalog.schema import origins
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.store import key

PATH = "github.com/acme/m"
V1 = ModuleVersion(PATH, "v1.0.0")
FILES: dict[str, str | bytes | None] = {"go.mod": f"module {PATH}\n", "m.go": "package m\n\nconst N = 1\n"}


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitRemote]:
    """Serve repositories, and let https://github.com/... mean them."""
    with GitRemote(tmp_path / "remote") as server:
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(server.config))
        yield server


@pytest.fixture(params=["sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    environ = {"GOPHERWOOD_CATALOG": postgres.server().url()} if request.param == "postgres" else {}
    made = Site.new(tmp_path / "home", GOPHERWOOD_TIMEOUT="2", **environ)
    yield made
    made.catalog.close()


on_both = pytest.mark.parametrize("site", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def acme(served: GitRemote) -> Repository:
    return served.repository(PATH)


def publish(site: Site, mv: ModuleVersion, files: dict[str, Any], given: dict[str, str] | None = None) -> None:
    """Publish a version with these files, as the upstream gave it: with an Origin, if `given`."""
    packed = make_zip(mv.path, mv.version, {name: data for name, data in files.items() if data is not None})
    made = make_module(mv.path, mv.version)
    site.catalog.enqueue([mv], source="test")
    site._move("fetch", mv, State.STAGED, **({"origin": given} if given else {}))
    site._move("validate", mv, State.VALID)
    for suffix, data in ((".zip", packed), (".mod", made.mod), (".info", made.info)):
        site.objects.create(key(mv, suffix), data)
    site._move("publish", mv, State.PUBLISHED)


def given(commit: str, tag: str = "v1.0.0", url: str = f"https://{PATH}") -> dict[str, str]:
    return {"VCS": "git", "URL": url, "Ref": f"refs/tags/{tag}", "Hash": commit}


def look(site: Site, **limits: Any) -> origin.LookedBack:
    """Look back, with every origin due."""
    with site.catalog.engine.begin() as connection:
        connection.execute(origins.update().values(due_at=0))
    found = origin.run(site.settings, stop=threading.Event(), pause=0.0, **limits)
    if found.taken_up and not found.versions:  # an origin with a commit is first due a day after publishing
        return look(site, **limits)
    return found


def row_of(site: Site, mv: ModuleVersion = V1) -> OriginRow:
    row = site.catalog.origin_of(mv)
    assert row is not None
    return row


def told(site: Site) -> list[tuple[str, str]]:
    return [(e.event.kind, e.event.subject) for e in site.catalog.events() if e.event.kind.startswith("origin-")]


# --- tags -------------------------------------------------------------------------------------------------------------


def test_unchanged(site: Site, acme: Repository) -> None:
    """A tag where the upstream saw it: unchanged, nobody is told, and the next look is as far off as the age says."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    assert look(site).findings == {"unchanged": 1}
    assert told(site) == []
    assert (row_of(site).due_at - row_of(site).published_at).days in (0, 1)
    assert origin.run(site.settings, stop=threading.Event()).exit_code == 99


def test_annotated_tag(site: Site, acme: Repository) -> None:
    """An annotated tag is the commit it points to; an upstream that gave the tag's own hash is believed too."""
    commit = acme.commit(FILES)
    acme.git("tag", "-a", "-m", "first", "v1.0.0")
    acme.git("push", "--quiet", "origin", "v1.0.0")
    acme.git("tag", "-a", "-m", "second", "v1.1.0")
    acme.git("push", "--quiet", "origin", "v1.1.0")
    publish(site, V1, FILES, given(commit))
    publish(site, ModuleVersion(PATH, "v1.1.0"), FILES, given(acme.git("rev-parse", "v1.1.0"), "v1.1.0"))
    assert look(site).findings == {"unchanged": 2}


@on_both
def test_force_push(site: Site, acme: Repository) -> None:
    """A moved tag is found once, told once, shown file by file, and what was published is served as before."""
    first = acme.commit({**FILES, "old.go": "package m\n"}, tag="v1.0.0")
    publish(site, V1, {**FILES, "old.go": "package m\n"}, given(first))
    before = site.objects.read(key(V1, ".zip"))
    second = acme.commit(
        {"m.go": "package m\n\nconst N = 666\n", "old.go": None, "evil.go": "package m\n"}, tag="v1.0.0"
    )
    result = look(site)
    assert result.findings == {"moved": 1}
    assert result.exit_code == 0
    row = row_of(site)
    assert (row.state, row.hash, row.found) == (Finding.MOVED, first, second)
    record = json.loads(site.objects.read(row.evidence))
    assert {file["name"]: file["how"] for file in record["files"]} == {
        "evil.go": "added",
        "m.go": "changed",
        "old.go": "removed",
    }
    assert record["published"]["h1"] != record["now"]["h1"]
    assert "-const N = 1\n+const N = 666\n" in site.objects.read(row.evidence.replace(".json", ".diff")).decode()
    assert look(site).findings == {"moved": 1}
    assert told(site) == [("origin-moved", str(V1))]
    assert site.objects.read(key(V1, ".zip")) == before


def test_moved_to_equal_content(site: Site, acme: Repository) -> None:
    """A tag that moved to a commit with the same files says so: nothing that `go` sees has changed."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    acme.commit({}, tag="v1.0.0", time="2021-01-01T00:00:00Z")
    assert look(site).findings == {"moved-same-content": 1}
    assert look(site).findings == {"moved-same-content": 1}
    assert told(site) == [("origin-moved", str(V1))]


def test_moved_and_moved_back(site: Site, acme: Repository) -> None:
    """A tag that is back where it was is unchanged; that it was away stays in the history, with its evidence."""
    first = acme.commit(FILES, tag="v1.0.0")
    publish(site, V1, FILES, given(first))
    acme.commit({"m.go": "package m // other\n"}, tag="v1.0.0")
    look(site)
    acme.tag("v1.0.0", first)
    assert look(site).findings == {"unchanged": 1}
    assert [check.finding for check in site.catalog.origin_history(V1)] == [Finding.MOVED, Finding.UNCHANGED]
    assert site.catalog.origin_history(V1)[0].evidence


def test_baseline(site: Site, acme: Repository) -> None:
    """Where no upstream named a commit, the first look does, at once, and says since when; the next are held to it."""
    commit = acme.commit(FILES, tag="v1.0.0")
    publish(site, V1, FILES)
    assert origin.run(site.settings, stop=threading.Event()).findings == {"baseline": 1}
    row = row_of(site)
    assert row.hash == commit
    assert row.baseline_at is not None
    assert look(site).findings == {"unchanged": 1}
    acme.commit({"m.go": "package m // other\n"}, tag="v1.0.0")
    assert look(site).findings == {"moved": 1}


def test_deleted_tag(site: Site, acme: Repository) -> None:
    """A tag that was deleted is gone, while the repository is there."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    acme.delete_tag("v1.0.0")
    assert look(site).findings == {"gone": 1}
    look(site)
    assert told(site) == [("origin-gone", str(V1))]


def test_folder_and_major_version(site: Site, acme: Repository) -> None:
    """Modules in folders and of /v2 are held to their own tags, and compared with their own files."""
    sub, v2 = ModuleVersion(f"{PATH}/sub", "v1.0.0"), ModuleVersion(f"{PATH}/v2", "v2.0.0")
    tree: dict[str, str | bytes | None] = {
        **FILES,
        "sub/go.mod": f"module {PATH}/sub\n",
        "v2/go.mod": f"module {PATH}/v2\n",
        "v2/m.go": "package m\n",
    }
    acme.commit(tree, tag="sub/v1.0.0")
    acme.tag("v2.0.0")
    publish(site, sub, {"go.mod": f"module {PATH}/sub\n"})
    publish(site, v2, {"go.mod": f"module {PATH}/v2\n", "m.go": "package m\n"})
    assert look(site).findings == {"baseline": 2}
    acme.commit({"v2/m.go": "package m // v2\n"}, tag="v2.0.0", time="2021-01-01T00:00:00Z")
    acme.tag("sub/v1.0.0")
    assert look(site).findings == {"moved": 1, "moved-same-content": 1}
    assert [file["name"] for file in json.loads(site.objects.read(row_of(site, v2).evidence))["files"]] == ["m.go"]


def test_pseudo_version_of_a_deleted_branch(site: Site, acme: Repository) -> None:
    """A commit without a branch is unchanged while the server still gives it, and gone once that has pruned it."""
    first = acme.commit(FILES, tag="v1.0.0")
    commit = acme.commit({"m.go": "package m // on a branch\n"})
    mv = ModuleVersion(PATH, f"v1.0.1-0.20200102030405-{commit[:12]}")
    publish(site, mv, FILES)
    assert look(site).findings == {"baseline": 1}
    acme.rewind(first)
    assert look(site).findings == {"unchanged": 1}
    acme.git("reflog", "expire", "--expire=now", "--all", folder=acme.bare)
    acme.prune()
    assert look(site).findings == {"gone": 1}


# --- repositories -----------------------------------------------------------------------------------------------------


@on_both
def test_deleted_repository(site: Site, acme: Repository) -> None:
    """All versions of a repository that is gone are found by one question, and told of by one event."""
    commit = acme.commit(FILES, tag="v1.0.0")
    acme.tag("v1.1.0")
    publish(site, V1, FILES, given(commit))
    publish(site, ModuleVersion(PATH, "v1.1.0"), FILES, given(commit, "v1.1.0"))
    look(site)
    acme.delete()
    assert look(site).findings == {"repository-gone": 2}
    assert look(site).findings == {"repository-gone": 2}
    assert told(site) == [("origin-gone", f"https://{PATH}")]


@on_both
def test_one_question_answers_for_all_versions(site: Site, acme: Repository, served: GitRemote) -> None:
    """Ten versions of one repository cost as many requests as one."""
    commit = acme.commit(FILES)
    for number in range(10):
        acme.git("tag", f"v1.{number}.0")
        publish(site, ModuleVersion(PATH, f"v1.{number}.0"), FILES, given(commit, f"v1.{number}.0"))
    acme.git("push", "--quiet", "--tags", "origin")
    served.requests.clear()
    result = look(site)
    assert (result.versions, result.repositories) == (10, 1)
    assert served.requests.total() <= 2


def test_host_that_asks_who_we_are_of_what_is_missing(site: Site, acme: Repository, served: GitRemote) -> None:
    """A well-known host that hides what is missing behind a 401 is taken at its meaning: gone, or no longer public."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    served.user = ("somebody", "secret")
    assert look(site).findings == {"repository-gone": 1}
    assert "no longer public" in row_of(site).detail


def test_private_repository_that_refuses_us_is_not_gone(
    site: Site, acme: Repository, served: GitRemote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a path that GOPRIVATE names, a 401 says that our credentials are wrong, and no more."""
    monkeypatch.setenv("GOPRIVATE", "github.com/acme/*")
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    look(site)
    served.user = ("somebody", "secret")
    assert look(site).findings == {"unreachable": 1}
    assert row_of(site).state is Finding.UNCHANGED


class Page(Loopback):
    """Shows one page, wherever it is asked."""

    text = ""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        return Answer(200, self.text.encode())


class Front(Loopback):
    """Stands where a repository was; redirects to where it is."""

    leads_to = ""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        return Answer(301, b"", (("Location", f"{self.leads_to}?service=git-upload-pack"),))


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    with Front() as server:
        config = tmp_path / "front"
        config.write_text(f'[url "{server.url}/"]\n\tinsteadOf = https://github.com/\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        yield server


@on_both
def test_renamed_repository(site: Site, served: GitRemote, front: Front) -> None:
    """A redirect to another repository is a rename, told once; a tag that moved there as well says more."""
    new = served.repository("github.com/other/m")
    commit = new.commit(FILES, tag="v1.0.0")
    front.leads_to = f"{served.url}/github.com/other/m.git/info/refs"
    publish(site, V1, FILES, given(commit))
    assert look(site).findings == {"renamed": 1}
    assert row_of(site).renamed_to == f"{served.url}/github.com/other/m.git"
    look(site)
    assert told(site) == [("origin-renamed", f"https://{PATH}")]
    new.commit({"m.go": "package m // the new owner's\n"}, tag="v1.0.0")
    assert look(site).findings == {"moved": 1}


def test_redirect_inwards_is_no_answer(
    site: Site, front: Front, acme: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that begins to redirect to a metadata service is not followed, and its finding stands."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    assert look(site).findings == {"unchanged": 1}
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "front"))
    front.leads_to = "http://169.254.169.254/info/refs"
    assert look(site).findings == {"unreachable": 1}
    assert "inwards" in row_of(site).problem
    assert row_of(site).state is Finding.UNCHANGED


@pytest.mark.parametrize("how", ["closed", "500", "hang"])
def test_unreachable(
    how: str, site: Site, acme: Repository, served: GitRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection, a 500 and a silent server change no finding, tell nobody, and are tried again later."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    look(site)
    with socket.socket() as unused, Front() as other:
        unused.bind(("127.0.0.1", 0))
        ports = {"closed": unused.getsockname()[1], "500": other.port, "hang": int(served.url.rpartition(":")[2])}
        place = "github.com/" if how == "hang" else ""
        config = tmp_path / "unreachable"
        config.write_text(f'[url "http://127.0.0.1:{ports[how]}/{place}"]\n\tinsteadOf = https://github.com/\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        other.fail("acme/m/info/refs", status(500))
        served.hanging.add(PATH)
        result = look(site)
    assert result.findings == {"unreachable": 1}
    assert result.exit_code == 0
    row = row_of(site)
    assert (row.state, row.fails) == (Finding.UNCHANGED, 1)
    assert 0 < (row.due_at - site.catalog.clock()).total_seconds() <= 3600
    assert told(site) == []
    served.hanging.clear()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(served.config))
    assert look(site).findings == {"unchanged": 1}
    assert row_of(site).fails == 0


def test_vanity_path(site: Site, served: GitRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vanity path is asked for its repository once, by go-get meta; from then on the repository is."""
    mv = ModuleVersion("vanity.example/x/sub", "v1.0.0")
    tag = '<meta name="go-import" content="vanity.example/x git https://github.com/acme/x">'
    commit = served.repository("github.com/acme/x").commit({"sub/go.mod": f"module {mv.path}\n"}, tag="sub/v1.0.0")
    publish(site, mv, {"go.mod": f"module {mv.path}\n"})
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Page(tls=authority.serve_as("vanity.example")) as page, Tunnel({"vanity.example:443": page.port}) as proxy:
        page.text = f"<html><head>{tag}</head></html>"
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert look(site).findings == {"baseline": 1}
        row = row_of(site, mv)
        assert (row.repository, row.known, row.hash) == ("https://github.com/acme/x", "meta", commit)
        asked = page.requests.total()
        assert look(site).findings == {"unchanged": 1}
        assert page.requests.total() == asked


def test_meta_that_leads_inwards_is_refused(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that names a metadata service as the repository is not believed: nothing is asked there."""
    mv = ModuleVersion("vanity.example/x", "v1.0.0")
    publish(site, mv, {"go.mod": f"module {mv.path}\n"})
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Page(tls=authority.serve_as("vanity.example")) as page, Tunnel({"vanity.example:443": page.port}) as proxy:
        page.text = '<meta name="go-import" content="vanity.example/x git https://169.254.169.254/x">'
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert look(site).findings == {"refused": 1}
    assert "inwards" in row_of(site, mv).detail


def test_other_version_control_is_said_to_be_that(site: Site, acme: Repository) -> None:
    """Mercurial is reported, not guessed at."""
    publish(site, V1, FILES, {"VCS": "hg", "URL": "https://hg.example/r"})
    assert look(site).findings == {"unsupported": 1}


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/x", "https://127.0.0.1/x", "http://example.com/x", "file:///etc"]
)
def test_origin_that_leads_inwards_is_refused(site: Site, url: str) -> None:
    """An upstream may name any URL; what only we can reach, or what is no https, is not asked."""
    publish(site, V1, FILES, given("a" * 40, url=url))
    assert look(site).findings == {"refused": 1}


# --- runs -------------------------------------------------------------------------------------------------------------


@on_both
def test_limit(site: Site, acme: Repository) -> None:
    """A limit is kept, and the next run goes on where this one ended."""
    commit = acme.commit(FILES)
    for number in range(3):
        acme.tag(f"v1.{number}.0")
        publish(site, ModuleVersion(PATH, f"v1.{number}.0"), FILES)
    assert origin.run(site.settings, limit=2, stop=threading.Event(), pause=0.0).versions == 2
    assert origin.run(site.settings, limit=2, stop=threading.Event(), pause=0.0).versions == 1
    assert origin.run(site.settings, limit=2, stop=threading.Event(), pause=0.0).exit_code == 99
    assert row_of(site).hash == commit


def test_evidence_survives_a_death_between_its_files(site: Site, acme: Repository) -> None:
    """A look that died after the diff is made again; what is there is kept, and what is missing is added."""
    publish(site, V1, FILES, given(acme.commit(FILES, tag="v1.0.0")))
    acme.commit({"m.go": "package m // other\n"}, tag="v1.0.0")
    look(site)
    first = row_of(site)
    with site.catalog.engine.begin() as connection:
        connection.execute(origins.update().values(state="unchanged", found=first.hash, evidence="", due_at=0))
    (site.settings.home / "store" / first.evidence).unlink()
    assert look(site).findings == {"moved": 1}
    assert row_of(site).evidence == first.evidence
    assert json.loads(site.objects.read(first.evidence))["counts"] == {"added": 0, "changed": 1, "removed": 0}


def test_command_killed_and_run_again(site: Site, acme: Repository, served: GitRemote) -> None:
    """SIGKILL in the middle of a look loses nothing: when the lease has ended, the next run looks."""
    publish(site, V1, FILES)
    acme.commit(FILES, tag="v1.0.0")
    served.hanging.add(PATH)
    with start(site, "--timeout", "60") as process:
        site.wait(lambda: served.requests[PATH] > 0)
        process.kill()
        process.wait()
    served.hanging.clear()
    assert row_of(site).state is Finding.NEW
    assert look(site).findings == {"baseline": 1}


def test_sigterm_gives_the_lease_back(site: Site, acme: Repository, served: GitRemote) -> None:
    """SIGTERM ends a look at once, exit code 1, and its rows are due for the next worker."""
    publish(site, V1, FILES)
    acme.commit(FILES, tag="v1.0.0")
    served.hanging.add(PATH)
    with start(site, "--timeout", "60") as process:
        site.wait(lambda: served.requests[PATH] > 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 1
    served.hanging.clear()
    assert origin.run(site.settings, stop=threading.Event(), pause=0.0).findings == {"baseline": 1}


def start(site: Site, *flags: str) -> "subprocess.Popen[str]":
    environ = {**os.environ, "GOPHERWOOD_HOME": str(site.settings.home), "GOPHERWOOD_CATALOG": site.settings.catalog}
    program = Path(sys.executable).with_name("gopherwood")
    command = [program, "audit", "--origin", *flags]
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@on_both
def test_several_workers(site: Site, served: GitRemote) -> None:
    """Workers side by side look at each version once."""
    for number in range(6):
        mv = ModuleVersion(f"github.com/acme/r{number}", "v1.0.0")
        files = {"go.mod": f"module {mv.path}\n"}
        served.repository(mv.path).commit(files, tag="v1.0.0")
        publish(site, mv, files)
    processes = [start(site, "--json") for _ in range(2)]
    said = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(each["versions"] for each in said) == 6
    assert site.catalog.origin_states() == {Finding.BASELINE: 6}
    for number in range(6):
        assert len(site.catalog.origin_history(ModuleVersion(f"github.com/acme/r{number}", "v1.0.0"))) == 1


def test_status_tells_of_the_origin(site: Site, acme: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """`gopherwood status MODULE@VERSION` says what was found, since when, and where the evidence is."""
    from gopherwood import status as verb

    publish(site, V1, FILES)
    acme.commit(FILES, tag="v1.0.0")
    look(site)
    acme.commit({"m.go": "package m // other\n"}, tag="v1.0.0")
    look(site)
    text = verb.stories(site.settings, [V1]).text()
    assert "moved" in text
    assert "first seen on" in text
    assert "evidence/github.com/acme/m/@v/v1.0.0/origin-" in text
