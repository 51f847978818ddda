"""Image archives in the OCI layout, written by ourselves: a tar of files named by their hashes; no builder is needed.

Ours has the base's layers and one more for each folder. Nothing in it depends on the moment or the machine: owner and
times are taken off, so the same files have the same digest. Authority: the OCI image specification, image-layout.md,
manifest.md and config.md.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONTENTS = "blobs"
"""The folder of contents in an image layout; the word is the specification's."""
SQUEEZE = 1
"""Level of gzip: 6 makes a layer a tenth smaller, in two and a half times as long."""


@dataclass(slots=True)
class Image:
    """An image in memory: its contents by digest, its manifest and its configuration."""

    contents: dict[str, bytes]
    manifest: dict[str, Any]
    config: dict[str, Any]
    annotations: dict[str, str] = field(default_factory=dict)

    def put(self, data: bytes) -> dict[str, Any]:
        """Add content; return how a descriptor names it."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.contents[digest] = data
        return {"digest": digest, "size": len(data)}

    def add_layer(self, folder: Path) -> None:
        """Put the files below a folder on top; nothing when there are none."""
        layer = tar_of(folder)
        if layer is None:
            return
        self.config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(layer).hexdigest()}")
        packed = gzip.compress(layer, SQUEEZE, mtime=0)
        self.manifest["layers"].append({"mediaType": LAYER, **self.put(packed)})


def read(archive: Path) -> Image:
    """Read an image archive; the first image of its index counts."""
    with tarfile.open(archive) as tar:
        files = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    start = f"{CONTENTS}/"
    contents = {name.removeprefix(start).replace("/", ":"): data for name, data in files.items() if start in name}
    manifest = json.loads(contents[json.loads(files["index.json"])["manifests"][0]["digest"]])
    return Image(contents, manifest, json.loads(contents[manifest["config"]["digest"]]))


def layers(image: Image) -> Iterator[io.BytesIO]:
    """Yield the layers, lowest first, for `tarfile.open`, which sees by itself how they are packed."""
    for layer in image.manifest["layers"]:
        yield io.BytesIO(image.contents[layer["digest"]])


def write(image: Image, out: Path, name: str) -> str:
    """Write an image to an archive and return its digest.

    It has two names there, `name` and the same repository by digest, so that a node knows it by both.
    """
    image.manifest["config"] |= image.put(_json(image.config))
    image.manifest["annotations"] = image.manifest.get("annotations", {}) | image.annotations
    described = {"mediaType": MANIFEST, **image.put(_json(image.manifest))}
    digest: str = described["digest"]
    by_digest = f"{name.rpartition(':')[0]}@{digest}"
    index = [described | {"annotations": {"io.containerd.image.name": each}} for each in (name, by_digest)]
    with tarfile.open(out, "w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": index}))
        for each in dict.fromkeys(_digests(image, digest)):
            _add(archive, f"{CONTENTS}/{each.replace(':', '/')}", image.contents[each])
    return digest


def tar_of(folder: Path) -> bytes | None:
    """Return a layer of the files below a folder, all of them root's, without times; None for an empty folder."""
    paths = sorted(folder.rglob("*"))
    if not paths:
        return None
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in paths:
            archive.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_anonymous)
    return raw.getvalue()


def set_up(image: Image, *, user: str, command: Sequence[str], environment: dict[str, str], stop_signal: str) -> None:
    """Say how a container starts and how it is told to end."""
    config = image.config["config"]
    old = dict(line.partition("=")[::2] for line in config.get("Env", []))
    config |= {
        "User": user,
        "Entrypoint": list(command),
        "WorkingDir": "/",
        "StopSignal": stop_signal,
        "Env": [f"{name}={value}" for name, value in (old | environment).items()],
        "Labels": config.get("Labels", {}) | image.annotations,
    }
    config.pop("Cmd", None)


def _digests(image: Image, digest: str) -> Iterator[str]:
    yield digest
    yield image.manifest["config"]["digest"]
    yield from (layer["digest"] for layer in image.manifest["layers"])


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = "root"
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    return info


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))
