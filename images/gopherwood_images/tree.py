"""The files of an image, below a folder: pinned wheels, our own wheel, programs, bytecode, the list of it all.

Bytecode is part of it, since a root file system that cannot be written would compile everything at every start of a
pod; it is of the kind that is checked against nothing, so the times of files do not matter.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gopherwood_images import lock, sbom
from gopherwood_images.recipes import HOME, LIBRARIES, PYTHON, ROOT, SBOM, Recipe

PROGRAM = """#!{python} -sP
import sys
from {module} import {function}
sys.exit({function}())
"""
SOURCES = ("tasks", "serving", "pyproject.toml", "README.md", "LICENSE")
"""What our wheel is built of."""
WITH_PYTHON = frozenset({".py", ".html", ".css", ".js"})
"""Suffixes of what belongs to a folder of Python files: its pages too."""


def fill(recipe: Recipe, dependencies: Path, ours: Path, *, version: str, python: str) -> None:
    """Write the files of an image below two folders: what changes with the lock, and what changes with each commit.

    `python` is the interpreter's path in the base. Needs the lock's distributions in this environment.
    """
    names = lock.needed(recipe.extras, core=recipe.ours) | set(recipe.more)
    with tempfile.TemporaryDirectory() as work:
        if names:
            pinned = Path(work, "pinned.txt")
            pinned.write_text(lock.pins(names))
            _install(dependencies / LIBRARIES, "--only-binary", ":all:", "--require-hashes", "-r", pinned)
        if recipe.ours:
            _install(ours / LIBRARIES, our_wheel(Path(work)))
    for source, target in recipe.folders.items():
        _copy_python(ROOT / source, ours / target.lstrip("/"))
    for program, call in recipe.programs.items():
        _write_program(ours / "usr/local/bin" / program, call, python)
    for program, file in recipe.links.items():
        (ours / "usr/local/bin" / program).symlink_to(file)
    for program in recipe.found:
        _copy_program(program, dependencies / "usr/local/bin" / program)
    for folder in (dependencies, ours):
        compile_below(folder)
    if listed := lock.versions(names) | ({lock.PROJECT: version} if recipe.ours else {}):
        (ours / HOME).mkdir(parents=True, exist_ok=True)
        (ours / SBOM).write_text(sbom.render(recipe.image, version, listed))


def our_wheel(work: Path) -> Path:
    """Build the wheel of a copy of this checkout, so that nothing is written into it."""
    copy = work / "source"
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=skip)
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    command: list[str | Path] = [
        _beside("uv"),
        "build",
        "--quiet",
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
    ]
    subprocess.run([*command, "--out-dir", work / "wheel", copy], check=True)
    return next((work / "wheel").glob("*.whl"))


def _install(target: Path, *what: str | Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        _beside("uv"),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        target,
        "--python-version",
        PYTHON,
    ]
    subprocess.run([*command, "--python-platform", "x86_64-manylinux_2_28", *what], check=True)
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for record in target.glob("*.dist-info"):
        # What tells of the machine and the moment of installing; nothing in a container reads it.
        for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"):
            (record / name).unlink(missing_ok=True)


def _copy_python(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.suffix in WITH_PYTHON or path.name == ".airflowignore":
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def _write_program(path: Path, call: str, python: str) -> None:
    module, _, function = call.partition(":")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PROGRAM.format(python=python, module=module, function=function))
    path.chmod(0o755)


def _copy_program(program: str, path: Path) -> None:
    found = where(program)
    if found is None:
        sys.exit(f"no {program} on PATH: the image is made with the one that is found there")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found, path)
    path.chmod(0o755)


def where(program: str) -> str | None:
    """Return a program on PATH, or where the recipe of the test cluster has it; None when there is none."""
    home = Path(os.environ.get("KUBE_HOME", Path.home() / ".cache" / "kube-for-tests"))
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), str(home / "bin"))))


def compile_below(folder: Path) -> None:
    """Write the bytecode of all Python files below a folder, as if it were the root."""
    if sys.version_info[:2] != tuple(map(int, PYTHON.split("."))):
        sys.exit(f"images are built by Python {PYTHON}, as in their base: this is {sys.version.split()[0]}")
    # One process and a fixed seed: what the compiler writes depends on the order of sets, and on what it did before.
    how: list[str | Path] = [
        "-m",
        "compileall",
        "-qq",
        "-s",
        folder,
        "-p",
        "/",
        "--invalidation-mode",
        "unchecked-hash",
        folder,
    ]
    # A few distributions carry files for other Pythons, which do not compile: hence no check.
    subprocess.run([sys.executable, "-s", *how], env=os.environ | {"PYTHONHASHSEED": "0"}, check=False)


def _beside(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
