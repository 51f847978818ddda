"""What data quality holds back from being published: versions of a batch that break a stop rule, and no others.

The rules are those of gate.py, asked of facts alone, and that every rule of validation which was written down said yes.
They need neither the network nor a data frame, so that publishing pays microseconds a version and its image carries
nothing more (docs/adr/0013). A version that is held keeps its staged bytes for a person; `gopherwood requeue --state
held --reason quality` gives it another chance once the cause is mended.
"""

from collections.abc import Mapping, Sequence

from gopherwood import gate
from gopherwood.catalog import Catalog, Event, Evidence, Job, Outcome
from gopherwood.states import State

REASON = "quality"
OURS = "quality/"
"""How the names of our rules begin in evidence."""
UNPROVED = "evidence-present"
REFUSED = "evidence-passed"


def problems(catalog: Catalog, jobs: Sequence[Job]) -> dict[int, dict[str, str]]:
    """Return, by the ids of the jobs to be held, the rules that each breaks and what is wrong."""
    words = catalog.last_words([job.id for job in jobs])
    shared = gate.shared_hashes([(job.mv, job.facts) for job in jobs])
    found: dict[int, dict[str, str]] = {}
    for job in jobs:
        faults = gate.faults(job.mv, job.facts)
        said = words.get(job.id, {})
        if not any(said.values()):
            faults[UNPROVED] = "no rule is on record as having passed it"
        # What was held here before is judged anew, not by what was said then.
        if refused := [rule for rule, ok in said.items() if not ok and not rule.startswith(OURS)]:
            faults[REFUSED] = f"the last word of {', '.join(sorted(refused))} was no"
        if job.mv in shared:
            faults["one-name-an-h1"] = shared[job.mv]
        if faults:
            found[job.id] = faults
    return found


def outcome(job: Job, faults: Mapping[str, str]) -> Outcome:
    """Hold a version, with a row of evidence for each rule that it breaks, and tell of it."""
    detail = "; ".join(f"{rule}: {says}" for rule, says in faults.items())
    return Outcome(
        job=job,
        state=State.HELD,
        reason=REASON,
        detail=detail,
        evidence=[Evidence(OURS + rule, False, says) for rule, says in faults.items()],
        events=[Event("quality-held", str(job.mv), dict(faults))],
        keep_staged=True,
    )
