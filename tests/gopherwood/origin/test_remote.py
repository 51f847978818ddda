"""A repository asked anew: real git against git's own server, and every way in which one may not answer."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote
from fakes.loopback import Answer, Loopback, Send, status
from gopherwood.config import Settings
from gopherwood.errors import NotFoundError, RefusedError, StoppedError, UpstreamError
from gopherwood.http import Client
from gopherwood.origin import Git, Remote

URL = "https://github.com/acme/m"
FILES = {"go.mod": "module github.com/acme/m\n", "m.go": "package m\n"}

NO_REFS = (
    b"".join(b"%04x%s" % (len(line) + 4, line) for line in [b"0" * 40 + b" capabilities^{}\0agent=git/2\n"]) + b"0000"
)


def answered(body: bytes) -> Send:
    """Answer as a git server does."""
    headers = (("Content-Type", "application/x-git-upload-pack-advertisement"),)
    return lambda handler, _answer: handler.send(Answer(200, body, headers))


class Front(Loopback):
    """A server that knows nothing but what tests let it say."""

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """Redirect the old repository, as a host does after a rename."""
        return Answer(301, b"", (("Location", f"{self.leads_to}?service=git-upload-pack"),))

    leads_to = ""


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """Serve https://github.com/acme/... from something else than git."""
    with Front() as server:
        config = tmp_path / "front"
        config.write_text(f'[url "{server.url}/"]\n\tinsteadOf = https://github.com/acme/\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        yield server


def test_tags_and_branches(served: GitRemote, remote: Remote) -> None:
    """Light and annotated tags name their commits, an annotated one the commit it points to."""
    acme = served.repository("github.com/acme/m")
    first = acme.commit(FILES, tag="v1.0.0")
    acme.git("tag", "-a", "-m", "annotated", "v1.1.0")
    acme.git("push", "--quiet", "origin", "v1.1.0")
    commits = remote.refs(URL).commits
    assert commits["refs/tags/v1.0.0"] == first
    assert commits["refs/tags/v1.1.0"] == first
    assert commits["refs/heads/" + acme.git("branch", "--show-current")] == first


def test_one_question_answers_for_all_tags(served: GitRemote, remote: Remote) -> None:
    """A repository with many tags is asked once: two requests, as git's protocol has it."""
    acme = served.repository("github.com/acme/m")
    acme.commit(FILES)
    for number in range(20):
        acme.git("tag", f"v1.{number}.0")
    acme.git("push", "--quiet", "--tags", "origin")
    served.requests.clear()
    assert len(remote.refs(URL).commits) == 21
    assert served.requests.total() <= 2


def test_missing_repository(served: GitRemote, remote: Remote) -> None:
    """404 is not there."""
    with pytest.raises(NotFoundError, match="no such repository"):
        remote.refs(URL)


def test_repository_that_asks_who_we_are(served: GitRemote, remote: Remote) -> None:
    """401 is told apart from 404, and nobody is prompted for a password."""
    served.repository("github.com/acme/m")
    served.user = ("somebody", "secret")
    with pytest.raises(RefusedError) as caught:
        remote.refs(URL)
    assert caught.value.status == 401


def test_netrc_is_used(served: GitRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: Remote) -> None:
    """The netrc that the user names opens a private repository, to git as to ourselves."""
    served.repository("github.com/acme/m").commit(FILES, tag="v1.0.0")
    served.user = ("somebody", "secret")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Git(5.0) as git:
        assert "refs/tags/v1.0.0" in Remote(git, remote._client).refs(URL).commits


def test_renamed_repository(served: GitRemote, front: Front, remote: Remote) -> None:
    """A redirect to another name is seen, and followed."""
    first = served.repository("github.com/acme/new").commit(FILES, tag="v1.0.0")
    front.leads_to = f"{served.url}/github.com/acme/new.git/info/refs"
    refs = remote.refs(URL)
    assert refs.renamed_to == f"{served.url}/github.com/acme/new.git"
    assert refs.commits["refs/tags/v1.0.0"] == first


def test_redirect_that_only_spells_otherwise_is_no_rename(front: Front, remote: Remote) -> None:
    """`.git` at the end, or another case, is the same name: what is asked then is what counts."""
    front.leads_to = f"{front.url}/M.git/info/refs"
    front.fail("M.git/info/refs", answered(b"001e# service=git-upload-pack\n0000" + NO_REFS))
    refs = remote.refs(URL)
    assert refs.commits == {}
    assert refs.renamed_to == ""


@pytest.mark.parametrize("where", ["http://169.254.169.254/m", "http://[fe80::1]/m", "http://100.100.100.200/m"])
def test_redirect_inwards_is_refused(front: Front, remote: Remote, where: str) -> None:
    """A repository that redirects to a metadata service is not followed."""
    front.leads_to = f"{where}/info/refs"
    with pytest.raises(RefusedError, match="inwards"):
        remote.refs(URL)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/m",
        "https://169.254.169.254/m",
        "https://[::ffff:169.254.169.254]/m",
        "git://127.0.0.1/m",
        "https://localhost/m",
    ],
)
def test_inner_addresses_are_not_asked(remote: Remote, url: str) -> None:
    """An origin that leads to what only we can reach is refused before a byte is sent."""
    with pytest.raises(RefusedError, match="inwards"):
        remote.refs(url)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/m", "ssh://git@example.com/m", "file:///etc", "ext::sh -c id", "--upload-pack=id", "/etc", ""],
)
def test_other_schemes_are_not_spoken(remote: Remote, url: str) -> None:
    """Neither unencrypted nor local, nor anything that is a command."""
    with pytest.raises(RefusedError):
        remote.refs(url)


def test_closed_port_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: Remote) -> None:
    """A refused connection says nothing of the repository."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        config = tmp_path / "closed"
        config.write_text(f'[url "http://127.0.0.1:{unused.getsockname()[1]}/"]\n\tinsteadOf = https://github.com/\n')
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
        with Git(5.0) as git, pytest.raises(UpstreamError) as caught:
            Remote(git, remote._client).refs(URL)
    assert type(caught.value) is UpstreamError


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_server_errors_are_unreachable(front: Front, remote: Remote, code: int) -> None:
    """5xx and 429 say nothing of the repository."""
    front.fail("m/info/refs", status(code))
    with pytest.raises(UpstreamError) as caught:
        remote.refs(URL)
    assert type(caught.value) is UpstreamError


def test_hanging_server_is_unreachable(served: GitRemote, remote: Remote) -> None:
    """A server that begins to answer and goes silent costs the time-out, and says nothing of the repository."""
    served.repository("github.com/acme/m")
    served.hanging.add("github.com/acme/m")
    with Git(0.3) as git, Client(Settings(timeout=0.3), tries=1) as client, pytest.raises(UpstreamError) as caught:
        Remote(git, client).refs(URL)
    assert type(caught.value) is UpstreamError


def test_stop_ends_git_at_once(served: GitRemote, remote: Remote) -> None:
    """Told to stop, the run ends, and with it every process that git started."""
    served.repository("github.com/acme/m")
    served.hanging.add("github.com/acme/m")
    stop = threading.Event()
    with Git(60.0, stop) as git:
        threading.Timer(0.5, stop.set).start()
        with pytest.raises(StoppedError):
            Remote(git, remote._client).refs(URL)
        home = git._home.name
        deadline = time.monotonic() + 10
        while _processes_in(home) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _processes_in(home) == []


def _processes_in(home: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and int(entry.name) != os.getpid() and f"HOME={home}".encode() in environ:
            found.append(entry.name)
    return found


def test_commit_that_no_branch_has_is_still_had_by_its_hash(served: GitRemote, remote: Remote) -> None:
    """After a force push a commit may still be fetched, and until the server prunes it nothing changed for `go`."""
    acme = served.repository("github.com/acme/m")
    first = acme.commit(FILES)
    second = acme.commit({"m.go": "package m // two\n"})
    acme.rewind(first)
    assert remote.commits(remote.refs(URL), [second]) == {second: second}
    acme.git("reflog", "expire", "--expire=now", "--all", folder=acme.bare)
    acme.prune()
    assert remote.commits(remote.refs(URL), [second]) == {}


def test_twelve_digits_are_found_among_all_commits(served: GitRemote, remote: Remote) -> None:
    """A pseudo-version's digits name a commit of any branch; what is on none is not found."""
    acme = served.repository("github.com/acme/m")
    first = acme.commit(FILES)
    acme.commit({"m.go": "package m // two\n"})
    refs = remote.refs(URL)
    assert remote.commits(refs, [first[:12], "0123456789ab"]) == {first[:12]: first}
