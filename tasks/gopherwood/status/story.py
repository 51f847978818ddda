"""The story of a version, and the versions of a module: for a person who asks why something is not served."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gopherwood import semver
from gopherwood.catalog import Catalog, Evidence, VersionRow, part_of
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, EXIT_FAILED
from gopherwood.module import ModuleVersion
from gopherwood.states import State
from gopherwood.status import words

ADVICE = {
    State.QUEUED: "`gopherwood ingest` fetches it",
    State.LEASED: "a worker fetches it; should that die, another takes over when the lease ends",
    State.STAGED: "it is fetched; `gopherwood ingest` checks it",
    State.VALID: "it passed every rule; `gopherwood ingest` publishes it",
    State.FAILED: "`gopherwood ingest` tries it again when it is due, after `gopherwood requeue {name}` at once; "
    "`gopherwood smoke` says whether the upstream answers",
    State.REJECTED: "once the cause is gone, `gopherwood requeue {name}` fetches and judges it anew",
    State.GONE: "if the upstream has it by now, `gopherwood requeue {name}` asks again",
    State.HELD: "a person decides; then `gopherwood requeue {name} --state held` fetches and judges it anew",
}
"""What a person can do about a version, by its state."""
WARNINGS = {
    "immutability": "other bytes came under a name that is in the store; what is published stays. Find out who changed "
    "them before anything else",
    "checksum-mismatch": "these are not the bytes that the checksum database knows: somebody changed them. Trust "
    "neither them nor this upstream before you know who",
    "bad-proof": "the checksum database's answer is not properly signed or proved: somebody may sit between. Check "
    "GOPHERWOOD_SUMDB and the upstream first",
    "withheld": "a feed lists it, and the checksum database denies it; it is asked again. If that lasts, ask the "
    "database by another way (GOPHERWOOD_SUMDB with a URL): the upstream may be the one who withholds it",
    "unverifiable": "the checksum database does not know it; if it is a private module, name it in GONOSUMDB",
}
"""What a reason means, where the words of the error do not say it."""


@dataclass(frozen=True, slots=True)
class Stories:
    """Everything known of the versions that were asked for, and the versions of modules that were."""

    versions: list[dict[str, Any]]
    unknown: list[str]
    modules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """1 when something was never wanted."""
        return EXIT_FAILED if self.unknown else EXIT_DONE

    def text(self) -> str:
        """Return a paragraph for each version, and a list for each module."""
        found = [f"{name}: never wanted; `gopherwood ingest {name}` brings it in" for name in self.unknown]
        found += [_listed(path, versions) for path, versions in self.modules.items()]
        found += [_told(story) for story in self.versions]
        return "\n\n".join(found)


def _listed(path: str, versions: Sequence[dict[str, Any]]) -> str:
    """Return a module's versions, a line each."""
    counts = Counter(row["state"] for row in versions)
    width = max(len(row["version"]) for row in versions)
    lines = [f"{path}: {words.counted(counts)}"]
    for row in versions:
        says = f"{row['published_at']:%Y-%m-%d %H:%M:%S} UTC" if row["published_at"] else words.why(row)
        lines.append(f"  {row['version']:<{width}}  {row['state']:<9}  {says}".rstrip())
    return "\n".join(lines)


def _told(story: dict[str, Any]) -> str:
    """Return one version's story for people."""
    name, state = story["module"], State(story["state"])
    is_now = "has failed" if state is State.FAILED else f"is {state}"
    lines = [f"{name} {is_now}" + (f": {words.why(story)}" if story["reason"] else "")]
    lines += [f"  {what:<10} {says}" for what, says in _chapters(story, state)]
    if story["evidence"]:
        lines.append("  rules")
    last_words = {rule["rule"]: rule for rule in story["evidence"]}  # a rule may have spoken in each attempt
    for rule in last_words.values():
        lines.append(
            f"    {'✓' if rule['ok'] else '✗'} {rule['rule']}" + (f": {rule['detail']}" if rule["detail"] else "")
        )
    advice = [WARNINGS.get(story["reason"], ""), ADVICE.get(state, "").format(name=name)]
    if any(damage["healed_at"] is None and damage["suffix"] != "ledger" for damage in story["damages"]):
        advice.append("give it a second copy (GOPHERWOOD_REPLICA, or the upstream), then `gopherwood audit --heal`")
    if any(advice):
        lines.append(f"  What to do: {'. '.join(part[0].upper() + part[1:] for part in advice if part)}.")
    return "\n".join(lines)


def _chapters(story: dict[str, Any], state: State) -> list[tuple[str, str]]:
    """Return what is known of a version, each with its name."""
    known: list[tuple[str, str]] = []

    def add(what: str, says: object) -> None:
        if says:
            known.append((what, str(says)))

    add("wanted", f"{words.at(story['first_observed'])}, by {story['source']}")
    add("because", story["why"])
    if state is State.PUBLISHED:
        add("published", f"{words.at(story['published_at'])}, as number {story['sequence']}")
    else:
        add("since", words.at(story["changed_at"]))
        add("failures", story["failures"])
    if state is State.FAILED:
        add("next try", words.at(story["ready_at"]) if story["ready_at"] > datetime.now(UTC) else "due now")
    if story.get("time"):
        add("committed", words.at(story["time"]))
    origin = story.get("origin") or {}
    add("origin", " ".join(str(origin[key]) for key in ("URL", "Ref", "Hash") if origin.get(key)))
    if story.get("h1"):
        add("zip", f"{story['h1']} ({story.get('zip_size') or 0:,} bytes)")
    add("go.mod", story.get("go_mod_h1"))
    add("scrubbed", words.at(story["scrubbed_at"]) if story.get("scrubbed_at") else "")
    for damage in story["damages"]:
        add("damaged", _damage(damage))
    if look := story.get("look_back"):
        add("look back", words.look_back(look))
    return known


def _damage(damage: dict[str, Any]) -> str:
    """Return the story of one damage in a line."""
    if damage["suffix"] == "ledger":  # no file: hashes that differ from what was published
        over = f"; since {words.at(damage['healed_at'])} they agree" if damage["healed_at"] else ""
        return f"the catalog contradicts the ledger, found {words.at(damage['found_at'])}{over}"
    says = f"{damage['suffix']} {damage['kind']}, found {words.at(damage['found_at'])}"
    if damage["evidence"]:
        says += f", kept as {damage['evidence']}"
    if damage["healed_at"]:
        return f"{says}; healed {words.at(damage['healed_at'])}: {damage['healed_from']}"
    return f"{says}; WITHHELD" + (f", not healed: {damage['says']}" if damage["says"] else "")


def stories(settings: Settings, versions: Sequence[ModuleVersion], paths: Sequence[str] = ()) -> Stories:
    """Return the story of each version, and what is where of each module path."""
    told = Stories([], [])
    with Catalog.ready(settings) as catalog:
        for mv in versions:
            if row := catalog.state_of(mv):
                told.versions.append(
                    _story(row, catalog.evidence_of(mv)) | _audited(catalog, row) | _looked(catalog, row)
                )
            else:
                told.unknown.append(str(mv))
        unpublished = words.unpublished(catalog) if paths else []
        for path in paths:
            published = [
                row for each in catalog.versions(path) if (row := catalog.state_of(ModuleVersion(path, each.version)))
            ]
            rows = published + [row for row in unpublished if row.mv.path == path]
            if rows:
                told.modules[path] = [_member(row) for row in sorted(rows, key=lambda row: semver.key(row.mv.version))]
            else:
                told.unknown.append(path)
    return told


def _audited(catalog: Catalog, row: VersionRow) -> dict[str, Any]:
    """Return what audits know of a version: its damages, and when its part of the store was last read to the end."""
    if row.state is not State.PUBLISHED:
        return {"scrubbed_at": None, "damages": []}
    scrubbed = catalog.last_scrubbed().get(part_of(row.mv.path))
    if scrubbed and row.published_at and scrubbed < row.published_at:
        scrubbed = None
    names = ("suffix", "kind", "found_at", "evidence", "says", "healed_at", "healed_from")
    damages = [{name: getattr(each, name) for name in names} for each in catalog.damages_of(row.mv)]
    return {"scrubbed_at": scrubbed, "damages": damages}


def _member(row: VersionRow) -> dict[str, Any]:
    return {"version": row.mv.version} | words.line(row) | {"published_at": row.published_at}


def _looked(catalog: Catalog, row: VersionRow) -> dict[str, Any]:
    """Return what is known of a version's origin by now."""
    look = catalog.origin_of(row.mv)
    names = ("repository", "ref", "hash", "found", "renamed_to", "detail", "evidence", "baseline_at", "checked_at")
    if look is None:
        return {}
    return {
        "look_back": {"finding": look.state.value}
        | {name: getattr(look, name) for name in (*names, "due_at", "problem")}
    }


def _story(row: VersionRow, evidence: Sequence[Evidence]) -> dict[str, Any]:
    rules = [{"rule": item.rule, "ok": item.ok, "detail": item.detail} for item in evidence]
    story = words.line(row) | {
        "source": row.source,
        "why": row.why,
        "attempt": row.attempt,
        "failures": row.failures,
        "first_observed": row.first_observed,
        "changed_at": row.changed_at,
        "ready_at": row.ready_at,
        "published_at": row.published_at,
        "sequence": row.sequence,
    }
    return story | dict(row.facts) | {"evidence": rules}
