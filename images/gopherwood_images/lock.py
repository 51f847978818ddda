"""What an image needs of `requirements.lock`: the pins of some extras and of all that they need in turn."""

import re
from collections.abc import Sequence
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gopherwood_images.recipes import PYTHON, ROOT

PROJECT = "gopherwood"
TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
"""The machine that markers are judged for: a node of a cluster, whatever builds the image."""


def needed(extras: Sequence[str], *, core: bool = True) -> set[str]:
    """Return the names of everything that the core (or not) and these extras need; the environment must hold them."""
    names: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(PROJECT, extra) for extra in (*extras, *([""] if core else []))]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        if name != PROJECT:
            names.add(name)
        for need in map(Requirement, requires(name) or []):
            of_extra = need.marker is None or need.marker.evaluate(TARGET | {"extra": extra})
            of_core = need.marker is None or need.marker.evaluate(TARGET | {"extra": ""})
            if of_core if not extra else of_extra and not of_core:
                todo += [(canonicalize_name(need.name), each) for each in ("", *need.extras)]
    return names


def pins(names: set[str]) -> str:
    """Return the lock's entries of these names, with their hashes."""
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    return "\n".join(entry for entry in entries if name_of(entry) in names)


def versions(names: set[str]) -> dict[str, str]:
    """Return the pinned version of each name."""
    found = {}
    for entry in re.split(r"\n(?=\S)", pins(names)):
        if match := re.match(r"\S+?==([^\s;]+)", entry):
            found[name_of(entry)] = match[1]
    return found


def name_of(entry: str) -> str:
    """Return the canonical name that an entry of the lock begins with."""
    return canonicalize_name(re.split(r"[=\[ ;]", entry)[0])
