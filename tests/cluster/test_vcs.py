"""The image with git and Go, on a real cluster: a private module from its repository, and the DAG `audit`."""

from pathlib import Path

import pytest

from cluster.asking import ended, start
from cluster.outside import expose
from cluster.platform import Platform
from fakes.gitremote import GitRemote

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]
VANISHING = {"node-pool": "pvm-pool"}
PRIVATE, VERSION = "github.com/acme/private", "v1.2.3"
FETCH = """
import os, pathlib, subprocess, sys
pathlib.Path("/tmp/gitconfig").write_text(sys.argv[1])
own = {"HOME": "/tmp/g", "PRIVATE": "github.com/acme/*", "SUMDB": "off", "UPSTREAM": "off"}
environ = os.environ | {f"GOPHERWOOD_{name}": text for name, text in own.items()}
environ |= {"HOME": "/tmp", "GIT_CONFIG_GLOBAL": "/tmp/gitconfig"}
sys.exit(subprocess.run(["gopherwood", "ingest", sys.argv[2]], env=environ).returncode)
"""


def test_private_module_comes_from_its_repository(platform: Platform, images: dict[str, str], tmp_path: Path) -> None:
    """Git and Go are in the image, and work there as nobody in particular, on a root that cannot be written."""
    with GitRemote(tmp_path) as remote:
        repository = remote.repository(PRIVATE)
        repository.commit({"go.mod": f"module {PRIVATE}\n", "m.go": "package private\n"}, tag=VERSION)
        expose(int(remote.url.rpartition(":")[2]))
        config = platform.outside.inside(remote.config.read_text())
        command = ["python3", "-c", FETCH, config, f"{PRIVATE}@{VERSION}"]
        start(platform.cluster, "private", command, image=images["vcs"], nodeSelector=VANISHING)
        assert '"published": 1' in ended(platform.cluster, "private")


def test_audit_asks_repositories_from_the_image_with_git(platform: Platform, images: dict[str, str]) -> None:
    """The DAG `audit` finds all in order; its task `origin` alone ran in the image that has git."""
    platform.unpause("audit")
    run = platform.trigger("audit")
    tasks = platform.ended("audit", run, 300)
    assert {state for state, _ in tasks.values()} <= {"success", "skipped"}
    assert tasks["origin", -1][1] == 1
    events = platform.cluster.get("events", "--field-selector=reason=Pulled")
    ran = {
        each["involvedObject"]["name"].rpartition("-")[0]: each["message"]
        for each in events
        if each["involvedObject"]["name"].startswith(("gopherwood-origin-", "gopherwood-scrub-"))
    }
    assert images["vcs"] in ran.pop("gopherwood-origin")
    assert ran
    assert all(platform.cluster.image in message for message in ran.values())
