"""What is damaged is withheld: 503 with the reason, also where it was hot; the rest of the module is served."""

import os
import random
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import damage, s3, valid
from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood import publish, toolchain
from gopherwood.audit import scrub
from gopherwood.audit.scrub import Scrubbed
from gopherwood.module import ModuleVersion
from gopherwood.store import key

pytestmark = pytest.mark.xdist_group("damage")


def audit(site: Site, **more: object) -> Scrubbed:
    """Scrub the whole store of a site, whose upstream is off, as another process would."""
    stop, settings = threading.Event(), replace(site.settings, upstream="off")
    return scrub.run(settings, **{"everything": True, "heal": False, "stop": stop} | more)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["folder", "bucket"])
def site(request: pytest.FixtureRequest, make_site: Callable[..., Site]) -> Site:
    """Serve from each kind of store."""
    server = s3.server() if request.param == "bucket" else None
    more = {"GOPHERWOOD_STORE": server.bucket(), "GOPHERWOOD_S3_ENDPOINT": server.endpoint} if server else {}
    site = make_site(**more)
    site.start()
    return site


def published(site: Site, path: str, *versions: str) -> list[ModuleVersion]:
    """Publish small versions as the pipeline does."""
    mvs = [ModuleVersion(path, version) for version in versions]
    valid.make_valid(site.settings, mvs)
    publish.run(site.settings)
    return mvs


def hurt(site: Site, mv: ModuleVersion, suffix: str) -> str:
    """Make a file hot, flip a bit of it at rest, and return its path for a request."""
    name = key(mv, suffix)
    site.wait(lambda: site.get(f"/{name}").status == 200)
    damage.rewrite(site.objects, name, damage.flip(70 if suffix == ".zip" else -5))
    return f"/{name}"


def test_a_damaged_zip_is_503_with_the_reason(site: Site) -> None:
    """What, since when, and what else there is; `.info`, `.mod`, list and latest go on; healed, it is served again."""
    mv, _ = published(site, "example.com/hurt", "v1.1.0", "v1.0.0")
    path = hurt(site, mv, ".zip")
    assert audit(site).withheld == 1
    site.wait(lambda: site.get(path).status == 503)
    reply = site.get(path)
    assert reply.headers["Retry-After"] == "60"
    assert "The .zip of example.com/hurt@v1.1.0 was damaged in our storage (changed)" in reply.text
    assert "Versions of this module that are fine: v1.0.0." in reply.text
    assert [site.get(path.replace(".zip", suffix)).status for suffix in (".info", ".mod")] == [200, 200]
    assert site.get("/example.com/hurt/@v/list").text == "v1.0.0\nv1.1.0\n"
    assert site.get("/example.com/hurt/@latest").body == valid.files(mv)[".info"]
    site.objects.create(key(mv, ".zip"), valid.files(mv)[".zip"])
    audit(site)
    site.wait(lambda: site.get(path).status == 200)
    assert site.get(path).body == valid.files(mv)[".zip"]


@pytest.mark.parametrize("suffix", [".info", ".mod"])
def test_latest_is_the_newest_version_that_can_be_chosen(site: Site, suffix: str) -> None:
    """A version whose `.info` or `.mod` is withheld is neither listed nor latest: `go` could not go on with it."""
    name = f"example.com/newest{suffix.replace('.', '-')}"
    new, old = published(site, name, "v1.1.0", "v1.0.0")
    assert site.get(f"/{name}/@latest").status == 200
    path = hurt(site, new, suffix)
    audit(site)
    site.wait(lambda: site.get(path).status == 503)
    assert site.get(f"/{name}/@v/list").text == "v1.0.0\n"
    assert site.get(f"/{name}/@latest").body == valid.files(old)[".info"]
    assert site.get(f"/{key(new, '.zip')}").status == 200
    assert site.get("/readyz").status == 200


def test_a_lost_file_is_503_before_any_scrub(site: Site) -> None:
    """A published file that is not there is never a 404, which would send clients to the next proxy."""
    (mv,) = published(site, "example.com/lost-now", "v1.0.0")
    for suffix in (".zip", ".info"):
        damage.remove(site.objects, key(mv, suffix))
        assert site.get(f"/{key(mv, suffix)}").status == 503
    assert site.get(f"/{key(mv, '.mod')}").status == 200


def test_a_module_of_which_nothing_is_whole_is_503(site: Site) -> None:
    """List and latest of a module whose only version is withheld are neither empty nor 404."""
    (mv,) = published(site, "example.com/only", "v1.0.0")
    hurt(site, mv, ".info")
    audit(site)
    site.wait(lambda: site.get("/example.com/only/@v/list").status == 503)
    assert site.get("/example.com/only/@latest").status == 503


def test_a_large_file_that_is_moved_away_is_never_404(make_site: Callable[..., Site]) -> None:
    """A hot large file is sent by its name: once that is gone the very next answer is 503, and once healed, whole."""
    site, path = make_site(), "example.com/large"
    made = make_module(path, "v1.0.0", {"d": random.Random(4).randbytes(1 << 20)})
    site.publish(path, "v1.0.0", made)
    site.start()
    name = key(ModuleVersion(path, "v1.0.0"), ".zip")
    assert site.get(f"/{name}").body == made.zip
    site.objects.quarantine(name, f".quarantine/now/{name}")
    assert site.get(f"/{name}").status == 503
    site.objects.create(name, made.zip + b"longer")
    site.wait(lambda: site.get(f"/{name}").status == 200)
    assert site.get(f"/{name}").body == made.zip + b"longer"


def test_go_prints_why(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """`go mod download` ends with our words, and does not ask the next proxy."""
    site = make_site()
    (mv,) = published(site, "example.com/told", "v1.0.0")
    site.start()
    hurt(site, mv, ".zip")
    audit(site)
    site.wait(lambda: site.get(f"/{key(mv, '.zip')}").status == 503)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GO")}
    environ |= {
        "GOPROXY": f"{site.url},off",
        "GOMODCACHE": str(tmp_path / "cache"),
        "GONOSUMDB": "*",
        "GOFLAGS": "-modcacherw",
    }
    command = [toolchain.find_go(), "mod", "download", str(mv)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "503 Service Unavailable" in done.stderr
    assert "The .zip of example.com/told@v1.0.0 was damaged in our storage" in done.stderr
    assert "We never serve bytes other than those published" in done.stderr
