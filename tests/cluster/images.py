"""The images that the tests put on nodes, made as `make images` makes them, and the lock that pins them."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from cluster.kube import HOME, RECIPE
from gopherwood_images import making
from gopherwood_images.recipes import RECIPES

BASE = HOME / "images"
WITH_GIT = "python3,git,ca-certificates"
STAYING, VANISHING = "kp-n1=default-pool", "kp-n2=pvm-pool kp-n3=pvm-pool"
POOLS = {"airflow": STAYING, "data": STAYING, "deploy": STAYING, "vcs": VANISHING}
"""The nodes that need an image, where not all of them do."""


def load(name: str, folder: Path) -> str:
    """Build an image, put it on the nodes that need it, and return its name by digest."""
    recipe = RECIPES[name]
    pinned = making.make(recipe, str(base(recipe.base)), folder, tag="test")
    nodes = {"NODES": POOLS[name]} if name in POOLS else {}
    subprocess.run([RECIPE / "load", folder / f"{recipe.image}.tar"], check=True, env=os.environ | nodes)
    return f"{pinned['repository']}@{pinned['digest']}"


def base(kind: str) -> Path:
    """Return the archive of a base; the one with git is made of the system's packages once, as the recipe's others."""
    archive = BASE / f"{kind}.tar"
    if kind == "vcs" and not archive.exists():
        with tempfile.TemporaryDirectory() as root:
            Path(root).chmod(0o755)
            paths = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
            command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={WITH_GIT}", *paths, "bookworm", root]
            subprocess.run(command, check=True)
            for rest in ("var/lib/apt/lists", "var/cache/apt", "dev"):
                subprocess.run(["find", Path(root, rest), "-mindepth", "1", "-delete"], check=False)
            made = archive.with_suffix(".new")
            command = ["python3", str(RECIPE / "lib/mkimage.py"), str(made), "localhost/vcs:1", root]
            subprocess.run(command, check=True)
            made.rename(archive)
    return archive


def lock(references: dict[str, str], file: Path) -> Path:
    """Write the lock of a release of these images."""
    pairs = {name: reference.split("@") for name, reference in references.items()}
    images = {name: {"repository": repository, "digest": digest} for name, (repository, digest) in pairs.items()}
    file.write_text(json.dumps({"images": images, "release": {"commit": "0" * 40, "charts": {"serving": "0.1.0"}}}))
    return file
