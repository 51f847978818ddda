"""A deployment, as promotions need it: a checkout in git, with two charts and two environments, and helm beside it."""

import argparse
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from fakes.helm import FakeHelm
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.deploy import release

REPOSITORY = "registry.example/gopherwood"
JUNIT = """<?xml version="1.0"?><testsuites><testsuite tests="9" failures="0">
<testcase classname="a" name="one"/><testcase classname="a" name="two"/><testcase classname="a" name="three"><skipped/>
</testcase></testsuite></testsuites>"""


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


class Deployment:
    """The checkout, helm, and the catalog of the environment that is promoted to, all below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.checkout = folder, folder / "checkout"
        self.settings = Settings(home=folder / "home", checkout=self.checkout)
        self.junit = self.checkout / "build/junit.xml"
        self.helm = FakeHelm(folder / "bin")

    @classmethod
    def new(cls, folder: Path) -> "Deployment":
        """Make one whose images are built and tested, and in which nothing is installed."""
        made = cls(folder)
        made.settings.home.mkdir(parents=True)
        made.helm.create()
        environments = [{"name": name, "namespace": f"on-{name}"} for name in ("staging", "production")]
        made.write("helm-values/environments.json", json.dumps(environments))
        for chart, name in (("serving", "gopherwood-serving"), ("tasks", "gopherwood-tasks")):
            made.write(f"{chart}/chart/Chart.yaml", f"name: {name}\nversion: 0.1.0\n")
            made.write(f"{chart}/chart/templates/all.yaml", "kind: Anything\n")
            made.write(f"helm-values/production/{chart}.yaml", "replicas: 3\n")
        made.write(".gitignore", "build/\n")
        made.git("init", "-q")
        made.commit()
        made.write("build/junit.xml", JUNIT)
        made.images("a")
        Catalog.ready(made.settings).close()
        return made

    def copy(self, folder: Path) -> "Deployment":
        """Copy all of it."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Deployment(folder)

    def release(self, letter: str) -> Path:
        """Make a record of images, by the verb; return its file."""
        self.images(letter)
        to = self.folder / "records" / letter
        flags = argparse.Namespace(tests=[self.junit], images=None, to=to)
        return Path(release.run(self.settings, flags).file)

    def record(self, letter: str) -> Path:
        """Return the record that was made of images."""
        (file,) = (self.folder / "records" / letter).iterdir()
        return file

    def write(self, name: str, text: str) -> Path:
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def images(self, letter: str, **changes: Any) -> dict[str, Any]:
        """Pin images as `make images` does."""
        image = {"repository": REPOSITORY, "tag": f"v-{letter}", "digest": digest(letter)}
        built = dict.fromkeys(("serving", "proxy", "tasks"), image) | changes
        self.write("build/images/digests.json", json.dumps(built))
        return built

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("-c", "user.name=T", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", self.checkout, *arguments], check=True, capture_output=True)

    def lock(self, environment: str = "production") -> Path:
        return self.checkout / "helm-values" / environment / "release.lock"

    def lock_letter(self) -> str:
        """Return which images the lock of production names."""
        found: str = json.loads(self.lock().read_text())["images"]["serving"]["digest"][-1]
        return found

    def runs_letter(self, release: str = "gopherwood-serving") -> str:
        """Return which images production runs."""
        found: str = self.helm.runs("on-production", release)["config"]["images"]["serving"]["digest"][-1]
        return found

    def events(self) -> list[str]:
        with Catalog.ready(self.settings) as catalog:
            return [each.event.kind for each in catalog.events() if each.event.kind.startswith("promotion")]
