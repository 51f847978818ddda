"""Closure: that what published versions require can be served too.

A go.mod of what was published last (or in the interval) is read from the store, and each requirement is looked up. When
every published version's own requirements are served, everything that a build reads is: that follows from one to the
next. Which of them a build really reads is `gopherwood discover --source closure`'s business.
"""

from collections.abc import Iterator
from itertools import islice

from gopherwood import gomod, store
from gopherwood.errors import InvalidGoModError
from gopherwood.module import ModuleVersion
from gopherwood.objects import MissingError, Objects
from gopherwood.quality.rules import WARN, Cut, DataSet, Drift, Piece, Table, sound
from gopherwood.states import State

MOST = 20_000
"""Versions whose go.mod is read in a run: the newest."""
BATCH = 500


def cut(cut: Cut) -> Iterator[Piece]:
    """Yield a row for each version's go.mod, and one for each of its requirements."""
    objects = store.open_store(cut.settings)
    names = iter(cut.snapshot.newest(MOST, cut.since, cut.until))
    servable = required = 0
    while batch := [ModuleVersion(row["path"], row["version"]) for row in islice(names, BATCH)]:
        read = [(mv, *_requirements(objects, mv)) for mv in batch]
        yield (
            "mods",
            {
                "path": [mv.path for mv, _, _ in read],
                "version": [mv.version for mv, _, _ in read],
                "go-mod-readable": [problem for _, _, problem in read],
            },
        )
        rows = [(mv, needed) for mv, needs, _ in read for needed in needs]
        known = cut.catalog.rows_of(sorted({needed for _, needed in rows}))
        states = [known[needed].state if needed in known else None for _, needed in rows]
        servable += states.count(State.PUBLISHED)
        required += len(rows)
        yield (
            "requirements",
            {
                "path": [mv.path for mv, _ in rows],
                "version": [mv.version for mv, _ in rows],
                "requires": [str(needed) for _, needed in rows],
                "servable": [
                    "" if state is State.PUBLISHED else f"{state.value if state else 'never wanted'}"
                    for state in states
                ],
            },
        )
    if required:
        cut.measures["servable"] = servable / required


def _requirements(objects: Objects, mv: ModuleVersion) -> tuple[list[ModuleVersion], str]:
    """Return what a version's go.mod requires; or what is wrong with the file."""
    try:
        data = objects.read(store.key(mv, ".mod"))
    except MissingError:
        return [], "not in the store"
    try:
        return [require.mv for require in gomod.parse("go.mod", data, lax=True).require], ""
    except InvalidGoModError as error:
        return [], str(error).splitlines()[0]


DATA_SET = DataSet(
    "closure",
    "What the newest published versions require.",
    cut,
    (
        Table(
            "mods",
            ("path", "version"),
            (sound("go-mod-readable", WARN, "Nobody can build with a go.mod that is not there or does not parse."),),
        ),
        Table(
            "requirements",
            ("path", "version", "requires"),
            (
                sound(
                    "requirement-servable", WARN, "A build of it fails on a requirement that is not here.", "servable"
                ),
            ),
        ),
    ),
    (Drift("servable", "Far more or fewer requirements than usual can be served."),),
)
