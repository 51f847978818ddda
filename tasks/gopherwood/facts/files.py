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
from gopherwood.objects import Objects

FACTS = "facts.json"
README = "README"
"""The README's bytes, and, with `.html` behind it, how a page shows them."""
HINT = "gopherwood index makes them anew"
LARGEST = 64 << 20
"""Bytes of one member, unpacked, that are read; larger ones are not shown."""


def key(mv: ModuleVersion) -> str:
    """Return the key of a version's facts."""
    return f"{escape_path(mv.path)}/@v/{escape_version(mv.version)}.facts.zip"


def docs_name(folder: str) -> str:
    """Return the member that documents the package in a folder of the module, "" for its root."""
    return f"docs/{folder}/package.json" if folder else "docs/package.json"


def facts(objects: Objects, mv: ModuleVersion) -> ModuleFacts:
    """Return the facts of a version; raises MissingError where it was not read, and as `unpack` does."""
    with objects.open(key(mv)) as file:
        return unpack(file)


def member(objects: Objects, mv: ModuleVersion, name: str) -> bytes:
    """Return a member of a version's file, empty where it has no such one; raises as `facts` does."""
    with objects.open(key(mv)) as file:
        return _read(file, name)


def unpack(file: BinaryIO) -> ModuleFacts:
    """Return the facts in a file; raises StorageError when it is damaged, or none of ours."""
    try:
        return ModuleFacts.from_json(json.loads(_read(file, FACTS)))
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"there are no facts in a file of them: {error}", hint=HINT) from error


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.getinfo(name).file_size > LARGEST:
                raise StorageError(f"{name} is larger than anything that is kept here")
            return archive.read(name)
    except KeyError:
        return b""
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise StorageError(f"facts cannot be read: {error}", hint=HINT) from error
