"""The queue: that leases end, tries are counted, nothing waits for ever, and refusals are as many as usual."""

from collections import Counter
from collections.abc import Iterator

from gopherwood.quality.rules import STOP, WARN, Cut, DataSet, Drift, Piece, Row, Table, frame, iso, sound
from gopherwood.states import State

DAY = 24 * 3600 * 1_000_000
HOUR = DAY // 24
LONGEST_WAIT = 7 * DAY
LEASES = 10
"""How many times the longest lease a lease may still have to run: workers renew, none takes more at once."""
MOST_ROWS = 200_000


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield what is open now, unless an interval was asked for; count what ended in the interval, or the last day."""
    since, until = cut.day
    ended: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for row in cut.snapshot.ends(since, until):
        ended[row["state"]] += row["number"]
        if row["state"] in (State.REJECTED, State.FAILED, State.GONE, State.HELD):
            reasons[f"{row['state']}: {row['reason']}"] += row["number"]
    judged = ended[State.REJECTED] + ended[State.PUBLISHED]
    if judged:
        cut.measures["rejected"] = ended[State.REJECTED] / judged
    if refused := reasons.total():
        cut.measures["reasons"] = {reason: number / refused for reason, number in reasons.items()}
    if cut.is_whole:
        rows = cut.snapshot.open_versions(MOST_ROWS)
        now = cut.snapshot.now
        cut.measures["open"] = cut.snapshot.one("open")
        cut.measures["oldest-hours"] = (now - rows[0]["first_observed"]) / HOUR if rows else 0.0
        yield "open", _columns(rows, cut)


def _columns(rows: list[Row], cut: Cut) -> dict[str, list[object]]:
    now, longest = cut.snapshot.now, int(LEASES * cut.settings.lease_seconds * 1_000_000)
    most = cut.settings.max_attempts
    leased = [row["owner"] is not None for row in rows]
    columns: dict[str, list[object]] = {**frame(rows, ("path", "version", "state"))}
    columns["lease-ends"] = [
        f"{row['owner']} till {iso(row['ready_at'])}" if held and row["ready_at"] > now + longest else ""
        for row, held in zip(rows, leased, strict=True)
    ]
    columns["lease-taken-over"] = [
        f"{row['owner']} till {iso(row['ready_at'])}" if held and row["ready_at"] < now - HOUR else ""
        for row, held in zip(rows, leased, strict=True)
    ]
    columns["lease-has-owner"] = ["" if row["owner"] or row["state"] != State.LEASED else "no owner" for row in rows]
    columns["tries-counted"] = [f"{row['failures']} of {most}" if row["failures"] >= most else "" for row in rows]
    columns["wait-bounded"] = [
        f"wanted since {iso(row['first_observed'])}: {row['reason'] or row['state']}"
        if row["first_observed"] < now - LONGEST_WAIT
        else ""
        for row in rows
    ]
    return columns


DATA_SET = DataSet(
    "queue",
    "What is on its way, and how it ended in the last day.",
    cut,
    (
        Table(
            "open",
            ("path", "version", "state"),
            (
                sound("lease-ends", STOP, "A lease without a near end is never taken over when its worker dies."),
                sound("lease-has-owner", STOP, "A lease of nobody can be neither renewed nor given back."),
                sound("lease-taken-over", WARN, "A lease ended an hour ago, and no worker has come for it."),
                sound("tries-counted", STOP, "What failed too often must be rejected, not tried for ever."),
                sound("wait-bounded", WARN, "Somebody has waited for it for a week."),
            ),
        ),
    ),
    (
        Drift("rejected", "The share of rejected versions moved: an upstream or a rule changed."),
        Drift("reasons", "Versions are refused for other reasons than usual."),
        Drift(
            "open", "The queue is far longer or shorter than usual: fetching does not keep up, or discovery stopped."
        ),
        Drift("oldest-hours", "The oldest waits longer than usual."),
    ),
)
