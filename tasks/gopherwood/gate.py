"""What must hold of a version's name and facts for it to be published, and of what is published for ever after.

Small pure rules, each a function that says what is wrong, "" for nothing. `publish` asks them of each candidate, so
that a batch which breaks one is held back and the rest is published; the checks of data quality ask the same ones of
the whole catalog every day. One definition, so the two can never disagree (docs/adr/0013).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gopherwood import module, modzip
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion

H1 = re.compile(r"h1:[A-Za-z0-9+/]{43}=")
SHA256 = re.compile(r"[0-9a-f]{64}")

Facts = Mapping[str, Any]
Rule = Callable[[ModuleVersion, Facts], str]


def canonical(mv: ModuleVersion, _facts: Facts) -> str:
    """Ask for a path and a version that Go takes, in their canonical form: any other would be a second name of it."""
    try:
        module.check(mv.path, mv.version)
    except ContentError as error:
        return str(error)
    form = module.canonical_version(mv.version)
    return "" if form == mv.version else f"{mv.version} is not canonical: {form} is"


def hashed(_mv: ModuleVersion, facts: Facts) -> str:
    """Ask for the h1 hashes of zip and go.mod: what everybody's go.sum is compared with."""
    for name in ("h1", "go_mod_h1"):
        if not H1.fullmatch(str(facts.get(name) or "")):
            return f"{name} is {facts[name]!r}" if facts.get(name) else f"no {name}"
    return ""


def measured(_mv: ModuleVersion, facts: Facts) -> str:
    """Ask for sizes within Go's limits and digests of the files: what a scrub compares the store with."""
    for name, most in (("zip_size", modzip.MAX_ZIP_FILE), ("mod_size", modzip.MAX_GO_MOD)):
        size = facts.get(name)
        if size is None or not 1 <= size <= most:
            return f"{name} is {size}, it must be from 1 to {most}"
    for name in ("zip_sha256", "info_sha256"):
        if not SHA256.fullmatch(str(facts.get(name) or "")):
            return f"{name} is {facts.get(name)!r}"
    return ""


RULES: Mapping[str, Rule] = {"version-canonical": canonical, "h1-present": hashed, "files-recorded": measured}
"""By the names they have among the rules of the data set `versions`."""


def shared_hashes(candidates: Iterable[tuple[ModuleVersion, Facts]]) -> dict[ModuleVersion, str]:
    """Return which versions of a batch have another one's h1, and say whose.

    The h1 covers the name in every path of the zip, so two versions with one hash cannot both be what they say.
    """
    pairs = [(mv, str(facts.get("h1") or "")) for mv, facts in candidates]
    often = {h1 for h1, number in Counter(h1 for _, h1 in pairs).items() if h1 and number > 1}
    first = {h1: mv for mv, h1 in reversed(pairs)}
    second = {h1: mv for mv, h1 in pairs}
    return {
        mv: f"{h1} is also the h1 of {second[h1] if first[h1] == mv else first[h1]}" for mv, h1 in pairs if h1 in often
    }


def faults(mv: ModuleVersion, facts: Facts) -> dict[str, str]:
    """Return the rules that a version breaks, each with what is wrong."""
    return {name: says for name, rule in RULES.items() if (says := rule(mv, facts))}
