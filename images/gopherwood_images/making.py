"""Making one image: its tree, its labels, and what of it a release pins."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from gopherwood_images import builders, bytecode, tree
from gopherwood_images.recipes import ROOT, SBOM, Recipe

PYTHON_IN_BASE = "/usr/bin/python3"


def make(
    recipe: Recipe,
    base: str,
    out: Path,
    *,
    tag: str,
    builder: str = "archive",
    registry: str = "localhost",
    python: str = PYTHON_IN_BASE,
) -> dict[str, str]:
    """Build one image below the folder `out`; return what a release pins: repository, tag and digest."""
    context = out / recipe.name
    shutil.rmtree(context, ignore_errors=True)
    dependencies, ours = context / "dependencies", context / "ours"
    for folder in (dependencies, ours):
        folder.mkdir(parents=True)
    tree.fill(recipe, dependencies, ours, version=version(), python=python)
    if recipe.python and Path(base).is_file():
        bytecode.refresh(Path(base).absolute(), dependencies, python, tree.compile_below)
    repository = f"{registry}/{recipe.image}"
    name, archive = f"{repository}:{tag}", out / f"{recipe.image}.tar"
    digest = builders.build(builder, builders.Order(recipe, context, base, name, labels(recipe, ours), archive))
    return {"repository": repository, "tag": tag, "digest": digest}


def labels(recipe: Recipe, ours: Path) -> dict[str, str]:
    """Return labels by the names that the OCI specification gives, and where the list of contents is."""
    named = {
        "org.opencontainers.image.title": recipe.image,
        "org.opencontainers.image.description": recipe.says,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": revision(),
        "org.opencontainers.image.version": version(),
    }
    if (ours / SBOM).exists():
        digest = hashlib.sha256((ours / SBOM).read_bytes()).hexdigest()
        named |= {"gopherwood.sbom": f"/{SBOM}", "gopherwood.sbom.type": "CycloneDX 1.6 JSON"}
        named |= {"gopherwood.sbom.sha256": digest}
    return named


def version() -> str:
    """Return the project's version, from its source: nothing is imported."""
    for line in (ROOT / "tasks/gopherwood/__init__.py").read_text().splitlines():
        if line.startswith("__version__"):
            return line.split('"')[1]
    raise LookupError("tasks/gopherwood/__init__.py names no version")


def revision() -> str:
    """Return the commit, with `-dirty` when the checkout is not it; "unknown" outside of a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip() or "unknown"
