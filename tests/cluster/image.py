"""The tasks' image for the tests on a cluster: a base image, the lock's wheels, our wheel; no container engine.

An OCI archive is a tar of blobs named by their hashes: ours has the base's layers and one more, with what
`requirements.lock` pins for the core and the wheel of this checkout below /usr/local.

    python tests/cluster/image.py BASE.tar OUT.tar localhost/gopherwood:test
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHON = "3.11"
SITE = f"usr/local/lib/python{PYTHON}/dist-packages"
PROGRAM = """#!/usr/bin/python3 -I
import sys
from gopherwood.cli import main
sys.exit(main())
"""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def build(base: Path, out: Path, name: str) -> None:
    """Write the image `name` to the archive `out`."""
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        layer = tar_of(Path(folder))
    blobs, manifest, config = read(base)
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(layer).hexdigest()}")
    config["config"] |= {"User": "65532:65532", "Entrypoint": ["gopherwood"]}
    config["config"].pop("Cmd", None)
    manifest["layers"].append({"mediaType": LAYER, **put(blobs, layer)})
    manifest["config"] |= put(blobs, json.dumps(config).encode())
    described = {"mediaType": MANIFEST, **put(blobs, json.dumps(manifest).encode())}
    described["annotations"] = {"io.containerd.image.name": name}
    with tarfile.open(out, "w") as archive:
        add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [described]}).encode())
        for digest in digests(manifest, described):
            add(archive, f"blobs/{digest.replace(':', '/')}", blobs[digest])


def fill(folder: Path) -> None:
    """Install the core's pinned wheels and our own wheel below a folder."""
    site = folder / SITE
    install = [beside("uv"), "pip", "install", "--quiet", "--no-deps", "--target", site, "--python-version", PYTHON]
    with tempfile.TemporaryDirectory() as work:
        wheel = our_wheel(Path(work))
        pinned = Path(work, "pinned.txt")
        pinned.write_text(pins(core()))
        subprocess.run([*install, "--only-binary", ":all:", "--require-hashes", "-r", pinned], check=True)
        subprocess.run([*install, wheel], check=True)
    shutil.rmtree(site / "bin", ignore_errors=True)
    program = folder / "usr/local/bin/gopherwood"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)


def our_wheel(work: Path) -> Path:
    """Build the wheel of a copy of this checkout, so that nothing is written into it."""
    copy = work / "source"
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("tasks", "serving"):
        shutil.copytree(ROOT / name, copy / name, ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy / name)
    command = [beside("uv"), "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--out-dir", work / "wheel", copy], check=True)
    return next((work / "wheel").glob("*.whl"))


def core() -> set[str]:
    """Return the names of what the core needs, and what that needs, as installed here."""
    names: set[str] = set()
    todo = ["gopherwood"]
    while todo:
        for text in requires(todo.pop()) or []:
            need = Requirement(text)
            name = canonicalize_name(need.name)
            if name not in names and (need.marker is None or need.marker.evaluate({"extra": ""})):
                names.add(name)
                todo.append(name)
    return names


def pins(names: set[str]) -> str:
    """Return the lock's entries of these names."""
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    return "\n".join(entry for entry in entries if canonicalize_name(re.split(r"[=\[ ;]", entry)[0]) in names)


def beside(name: str) -> Path:
    """Return a program of our own environment."""
    return Path(sys.executable).with_name(name)


def tar_of(folder: Path) -> bytes:
    """Return a layer of a folder's content, all of it root's, without times."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if "__pycache__" not in path.parts:
                archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=anonymous)
    return raw.getvalue()


def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Take owner and time off a member."""
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = "root"
    return info


def read(base: Path) -> tuple[dict[str, bytes], dict[str, Any], dict[str, Any]]:
    """Return an archive's blobs by digest, its manifest and its configuration."""
    with tarfile.open(base) as archive:
        files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        texts = {name: file.read() for name, file in files.items() if file}
    blobs = {name.removeprefix("blobs/").replace("/", ":"): data for name, data in texts.items() if "blobs/" in name}
    manifest = json.loads(blobs[json.loads(texts["index.json"])["manifests"][0]["digest"]])
    return blobs, manifest, json.loads(blobs[manifest["config"]["digest"]])


def digests(manifest: dict[str, Any], described: dict[str, Any]) -> list[str]:
    """List the blobs that an image is made of."""
    return [described["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]


def put(blobs: dict[str, bytes], data: bytes) -> dict[str, Any]:
    """Add a blob; return how a descriptor names it."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    blobs[digest] = data
    return {"digest": digest, "size": len(data)}


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file to a tar."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
