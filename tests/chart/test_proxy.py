"""nginx as the chart configures it: the real program, over a real store, with the real app behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chart.render import lock_for_golden, template
from fakes.goproxy import Module, make_module
from fakes.site import Site
from gopherwood import toolchain
from gopherwood.module import ModuleVersion
from gopherwood.store import key

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="no nginx (Debian: apt install nginx-light)"),
    pytest.mark.xdist_group("proxy"),
]
PATH = "example.com/Upper/m"
ESCAPED = "example.com/!upper/m"


@dataclass
class Proxied:
    """A site behind nginx; `get` asks nginx."""

    site: Site
    port: int
    log: Path
    module: Module

    def get(self, path: str, **options: object) -> object:
        """Ask through nginx."""
        through = Site(self.site.settings, self.site.objects, self.site.catalog, port=self.port)
        return through.get(path, **options)  # type: ignore[arg-type]

    def served_by(self, path: str) -> str:
        """Tell who answers a path, by nginx's own log: `volume` or `app`."""
        before = len(self.log.read_text().splitlines())
        self.get(path)
        self.site.wait(lambda: len(self.log.read_text().splitlines()) > before)
        match = re.search(r'"from":"(\w+)"', self.log.read_text().splitlines()[-1])
        assert match
        return match[1]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(folder: Path, site: Site, port: int, *more: str) -> Path:
    """Render the chart's nginx.conf for a site on this machine."""
    options = (
        *(
            "--set",
            f"ports.http={port},ports.app={site.port},store.mountPath={site.settings.home},proxy.accessLog=true",
        ),
        *more,
    )
    rendered = template("serving", lock_for_golden(folder), more=options)
    (text,) = [each["data"]["nginx.conf"] for each in rendered if "nginx.conf" in each.get("data", {})]
    file = folder / "nginx.conf"
    # The prefix is the one folder that it may write to: there is the log that a container has on its standard output.
    file.write_text(text.replace("/dev/stdout", "access.log").replace("listen ", "listen 127.0.0.1:"))
    return file


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Start the app and nginx before it."""
    site = Site.new(tmp_path_factory.mktemp("home"))
    made = site.publish(PATH, "v1.0.0", make_module(PATH, "v1.0.0", {"data.bin": bytes(range(256)) * 2000}))
    site.start()
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    folder.chmod(0o755)
    config = configuration(folder, site, port)
    # Root's nginx would let its workers be somebody who cannot read the store; in a pod nobody is root.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    command = [str(NGINX), "-e", "stderr", "-p", folder, "-c", config, *user]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        site.wait(lambda: _listens(port))
        yield Proxied(site, port, folder / "access.log", made)
        process.send_signal(signal.SIGQUIT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        site.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [(".info", "application/json"), (".mod", "text/plain; charset=utf-8"), (".zip", "application/zip")],
)
def test_files_come_from_the_volume_as_from_the_app(proxied: Proxied, suffix: str, kind: str) -> None:
    """Nginx sends the same bytes, type and lifetime as the app, with a strong validator and ranges."""
    path = f"/{ESCAPED}/@v/v1.0.0{suffix}"
    reply, app = proxied.get(path), proxied.site.get(path)
    assert proxied.served_by(path) == "volume"
    assert (reply.status, reply.body) == (200, app.body)
    assert reply.headers["content-type"] == app.headers["content-type"] == kind
    assert reply.headers["cache-control"] == app.headers["cache-control"]
    assert re.fullmatch(r'"[0-9a-f-]+"', reply.headers["etag"])
    assert proxied.get(path, headers={"If-None-Match": reply.headers["etag"]}).status == 304
    part = proxied.get(path, headers={"Range": "bytes=2-5"})
    assert (part.status, part.body) == (206, app.body[2:6])


@pytest.mark.parametrize(
    "path",
    [
        f"/{ESCAPED}/@v/list",
        f"/{ESCAPED}/@latest",
        f"/{ESCAPED}/@v/v1.info",
        "/index",
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/sumdb/sum.example/supported",
        f"/cached-only/{ESCAPED}/@v/v1.0.0.info",
    ],
)
def test_everything_else_is_the_apps(proxied: Proxied, path: str) -> None:
    """Lists, latest, queries, pages and probes are asked of the app, and its answer is passed on."""
    reply, app = proxied.get(path), proxied.site.get(path)
    assert proxied.served_by(path) == "app"
    assert reply.status == app.status
    if path not in ("/metrics", "/"):  # the one counts, the other shows the address that was asked
        assert (reply.body, reply.headers["etag"]) == (app.body, app.headers["etag"])


@pytest.mark.parametrize(
    "path",
    [
        "/example.com/Upper/m/@v/v1.0.0.info",
        f"//{ESCAPED}/@v/v1.0.0.info",
        "/example.com//!upper/m/@v/v1.0.0.info",
        "/example.com/./!upper/m/@v/v1.0.0.info",
        "/example.com/x/../!upper/m/@v/v1.0.0.info",
        "/example.com/x/%2e%2e/!upper/m/@v/v1.0.0.info",
        f"/{ESCAPED}/@v/v1.0.0.info/",
        f"/{ESCAPED}/@v/../@v/v1.0.0.zip",
        "/.tmp/x/@v/v1.0.0.zip",
        "/.quarantine/20261125T000000Z-00000000/example.com/m/@v/v1.0.0.zip",
    ],
)
def test_other_spellings_are_other_names(proxied: Proxied, path: str) -> None:
    """Nothing is normalised: what the app does not have is not had by way of nginx either."""
    assert proxied.get(path).status == proxied.site.get(path).status == 404


def test_nothing_beside_the_store_is_had(proxied: Proxied) -> None:
    """The catalog lies beside the store's folder, and no path leads there."""
    for path in ("/../catalog.db", "/%2e%2e/catalog.db", "/x/@v/../../../catalog.db", "/..%2fcatalog.db"):
        assert proxied.get(path).status in (400, 404)


def test_escaped_path_may_be_percent_encoded(proxied: Proxied) -> None:
    """`go` writes the exclamation mark as %21."""
    assert proxied.get(f"/{ESCAPED}/@v/v1.0.0.mod".replace("!", "%21")).status == 200
    assert proxied.served_by(f"/{ESCAPED}/@v/v1.0.0.mod".replace("!", "%21")) == "volume"


def test_methods_are_the_apps_to_refuse(proxied: Proxied) -> None:
    """HEAD is answered from the volume; a POST is refused with what is allowed."""
    path = f"/{ESCAPED}/@v/v1.0.0.zip"
    head = proxied.get(path, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == len(proxied.module.zip)
    post = proxied.get(path, method="POST")
    assert (post.status, post.headers["allow"]) == (405, "GET, HEAD")


def test_version_without_its_mark_is_not_there(proxied: Proxied) -> None:
    """A publish that is under way: .zip and .mod are durable, .info is not written, and nobody sees any of it."""
    mv = ModuleVersion("example.com/half", "v1.0.0")
    proxied.site.objects.create(key(mv, ".zip"), b"zip")
    proxied.site.objects.create(key(mv, ".mod"), b"module example.com/half\n")
    assert proxied.get("/example.com/half/@v/v1.0.0.zip").status == 404
    assert proxied.get("/example.com/half/@v/v1.0.0.mod").status == 404


def test_damaged_file_moved_aside_is_unavailable(proxied: Proxied) -> None:
    """What is published and not there is 503, never 404: the app says so, since nginx has nothing to send."""
    proxied.site.publish("example.com/damaged", "v1.0.0")
    file = proxied.site.objects.local_path(key(ModuleVersion("example.com/damaged", "v1.0.0"), ".zip"))
    assert file is not None
    file.rename(file.with_suffix(".damaged"))
    assert proxied.get("/example.com/damaged/@v/v1.0.0.zip").status == 503
    assert proxied.get("/example.com/damaged/@v/v1.0.0.mod").status == 200


def test_go_downloads_through_it(proxied: Proxied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`go mod download` by way of nginx: the list from the app, the files from the volume."""
    for name, value in {
        "GOPROXY": f"http://127.0.0.1:{proxied.port},off",
        "GOPATH": str(tmp_path),
        "GOFLAGS": "-modcacherw",
        "GONOSUMDB": "*",
        "GOTOOLCHAIN": "local",
        "GOMODCACHE": str(tmp_path / "mod"),
    }.items():
        monkeypatch.setenv(name, value)
    command = [toolchain.find_go(), "mod", "download", "-json", f"{PATH}@latest"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"Version": "v1.0.0"' in done.stdout
    served = [line for line in proxied.log.read_text().splitlines() if ".zip" in line]
    assert '"from":"volume"' in served[-1]


def test_bucket_leaves_everything_to_the_app(tmp_path: Path) -> None:
    """With a bucket there is no volume to look at: the configuration is sound, and has one way."""
    site = Site.new(tmp_path / "home")
    config = configuration(tmp_path, site, 1234, "--set", "store.url=s3://bucket/store,ports.app=1235")
    assert "root " not in config.read_text()
    done = subprocess.run(
        [str(NGINX), "-e", "stderr", "-t", "-p", tmp_path, "-c", config], capture_output=True, text=True
    )
    assert "test is successful" in done.stderr, done.stderr
    site.stop()
