"""Rendering the charts as `helm upgrade` does for an environment: the base, what differs, the release's lock."""

import difflib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VALUES = ROOT / "helm-values"
CHARTS = {"serving": ROOT / "serving/chart", "tasks": ROOT / "tasks/chart"}
RELEASES = {"serving": "gopherwood-serving", "tasks": "gopherwood"}
_DECLARED = json.loads((VALUES / "environments.json").read_text())
ENVIRONMENTS = tuple(each["name"] for each in _DECLARED)
PINNED = tuple(each["name"] for each in _DECLARED if not each["tags"])
"""Environments that others build on: nothing there may move."""
KUBERNETES = "1.34.4"
GOLDEN = Path(__file__).with_name("golden")
DIGEST = "sha256:" + "0" * 64

Object = dict[str, Any]


class HelmError(Exception):
    """Helm refused; the message is its own."""


def helm(*arguments: str | Path) -> str:
    """Run helm and return what it prints; raises HelmError."""
    home = Path(os.environ.get("KUBE_HOME", Path.home() / ".cache" / "kube-for-tests"))
    program = shutil.which("helm") or str(home / "bin" / "helm")
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise HelmError(done.stderr)
    return done.stdout


def template(chart: str, *files: Path, more: tuple[str, ...] = (), release: str = "") -> list[Object]:
    """Render a chart with these values files, the last one counting most."""
    given = [argument for file in files for argument in ("--values", str(file))]
    namespace = ("--namespace", "gopherwood", "--kube-version", KUBERNETES)
    text = helm("template", release or RELEASES[chart], CHARTS[chart], *namespace, *given, *more)
    return [each for each in yaml.safe_load_all(text) if each]


@cache
def environment(name: str) -> dict[str, list[Object]]:
    """Return the objects of both charts in an environment, as they would be installed."""
    return {chart: template(chart, *files(name, chart), VALUES / name / "release.lock") for chart in CHARTS}


def files(name: str, chart: str) -> list[Path]:
    """Return the values file of an environment for a chart, if there is one."""
    file = VALUES / name / f"{chart}.yaml"
    return [file] if file.exists() else []


def objects(name: str) -> list[Object]:
    """Return all objects of an environment."""
    return [each for rendered in environment(name).values() for each in rendered]


def pods(rendered: list[Object]) -> Iterator[tuple[str, Object]]:
    """Yield each object that makes pods: its name, and the pods' template."""
    for each in rendered:
        if each["kind"] in ("Deployment", "Job"):
            yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]
        elif each["kind"] == "Pod":
            yield f"Pod/{each['metadata']['name']}", each


def only(rendered: list[Object], kind: str) -> Object:
    """Return the one object of a kind."""
    (found,) = [each for each in rendered if each["kind"] == kind]
    return found


def lock_for_golden(folder: Path) -> Path:
    """Write a lock that never changes, so that a promotion changes no golden file."""
    image = {"digest": DIGEST, "tag": ""}
    names = ("serving", "proxy", "tasks")
    images = {name: {"repository": f"localhost/gopherwood-{name}", **image} for name in names}
    (folder / "release.lock").write_text(json.dumps({"images": images}))
    return folder / "release.lock"


def golden(folder: Path) -> dict[str, str]:
    """Return the golden files: all of the base, and what differs from it in each environment."""
    lock = lock_for_golden(folder)
    base = "---\n".join(_text(template(chart, lock)) for chart in CHARTS)
    made = {"base.yaml": base}
    for name in ENVIRONMENTS:
        rendered = "---\n".join(_text(template(chart, *files(name, chart), lock)) for chart in CHARTS)
        lines = difflib.unified_diff(base.splitlines(), rendered.splitlines(), "base", name, lineterm="", n=2)
        # Line numbers would make every file differ when the base grows a line.
        made[f"{name}.diff"] = "".join(f"{'@@' if line.startswith('@@') else line}\n" for line in lines)
    return made


def _text(rendered: list[Object]) -> str:
    order = sorted(rendered, key=lambda each: (each["kind"], each["metadata"]["name"]))
    return str(yaml.dump_all(order, Dumper=_Dumper, width=140))


class _Dumper(yaml.SafeDumper):
    """Writes texts of many lines as they are."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
