"""Records of three releases, for promotions: what differs is the image of serving."""

import subprocess
from pathlib import Path

from cluster.kube import RECIPE
from gopherwood.deploy import charts
from gopherwood.deploy.record import Record
from gopherwood_images import oci
from gopherwood_images.recipes import ROOT

VARIANTS: dict[str, dict[str, str]] = {
    "old": {},
    "new": {"GOPHERWOOD_RELEASE": "new"},
    "bad": {"GOPHERWOOD_STORE": "file:///nowhere"},
}
"""What each has in its environment beside: another digest of the same program, and one that never gets ready."""


def records(images: dict[str, str], archives: Path, folder: Path) -> dict[str, Path]:
    """Put the images of the releases on every node; return their records."""
    pinned = {name: dict(zip(("repository", "digest"), text.split("@"), strict=True)) for name, text in images.items()}
    packed = {name: charts.pack(ROOT, where) for name, where in charts.FOLDERS.items()}
    made = {}
    for name, environment in VARIANTS.items():
        serving = pinned["serving"] | {"tag": name}
        if environment:
            serving["digest"] = _variant(archives, f"{serving['repository']}:{name}", environment)
        record = Record(
            created="2026-11-25T12:00:00Z",
            commit="0" * 40,
            images=pinned | {"serving": serving},
            charts=packed,
            tests={"passed": 1, "failed": 0, "skipped": 0, "files": {}},
            store={"key": "", "size": 0, "root": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
        )
        made[name] = folder / f"{record.name}.json"
        made[name].write_bytes(record.to_json())
    return made


def _variant(archives: Path, name: str, environment: dict[str, str]) -> str:
    """Make an image of serving whose environment says more, put it on every node, and return its digest."""
    made = oci.read(archives / "gopherwood-serving.tar")
    made.config["config"]["Env"] += [f"{key}={value}" for key, value in environment.items()]
    archive = archives / f"{name.replace('/', '-').replace(':', '-')}.tar"
    digest = oci.write(made, archive, name)
    subprocess.run([RECIPE / "load", archive], check=True)
    return digest
