"""Where facts are kept: one zip a version, below the folder of facts (`GOPHERWOOD_FACTS`), which may be a bucket.

`facts.json`, the README as it is, and `docs/<folder>/package.json` for each package, so that a page reads what it shows
and no more, and anybody can look inside with `unzip`. They are derived: a newer TOOL replaces them, and `index` makes
them anew where they are gone. Written by pack.py; serving reads them with what is here, and needs no parser for it.
"""

import json
import zipfile
from typing import BinaryIO

from gopherwood.errors import StorageError
from gopherwood.facts.values import ModuleFacts
from gopherwood.module import ModuleVersion, escape_path, escape_version

FACTS = "facts.json"
README = "README"
"""The README's bytes, and, with `.html` behind it, how a page shows them."""
LARGEST = 64 << 20
"""Bytes of one member, unpacked, that are read; larger ones are not shown."""


def key(mv: ModuleVersion) -> str:
    """Return the key of a version's facts."""
    return f"{escape_path(mv.path)}/@v/{escape_version(mv.version)}.facts.zip"


def docs_name(folder: str) -> str:
    """Return the member that documents the package in a folder of the module, "" for its root."""
    return f"docs/{folder}/package.json" if folder else "docs/package.json"


def facts(file: BinaryIO) -> ModuleFacts:
    """Return the facts in a zip; raises StorageError when it is none of ours."""
    return ModuleFacts.from_json(json.loads(member(file, FACTS) or b"{}"))


def member(file: BinaryIO, name: str) -> bytes | None:
    """Return a member of a zip, None when it has no such one; raises StorageError when it is damaged or too large."""
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(name).file_size > LARGEST:
                raise StorageError(f"{name} is larger than anything that is kept here")
            return archive.read(name)
    except KeyError:
        return None
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise StorageError(f"facts cannot be read: {error}", hint="gopherwood index makes them anew") from error
