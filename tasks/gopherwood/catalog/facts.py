"""What was read of versions from their bytes, which version stands for a module, and who imports what.

Facts are kept a version; packages and imports only of the version that stands for its module, so that "imported by"
counts modules as they are and not each of their past versions. `keep_facts` and `stand` replace what was there: facts
are derived, and may be made anew at any time.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gopherwood.catalog.db import Database, insert_into, insert_rows, pieces
from gopherwood.catalog.schema import facts, from_micros, imports, modules, packages, versions
from gopherwood.module import ModuleVersion
from gopherwood.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsRow:
    """What was read of a version, in short; `error` says why nothing could be."""

    mv: ModuleVersion
    tool: int
    size: int
    error: str = ""
    findings: int = 0
    packages: int = 0
    go: str = ""
    licences: tuple[str, ...] = ()
    synopsis: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package of the version that stands for its module."""

    module: str
    path: str
    name: str
    synopsis: str
    symbols: int
    imports: tuple[str, ...] = ()
    """Left out where rows are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRow:
    """A module: the version that stands for it, the highest one, and what that says of the module and its versions."""

    path: str
    latest: str
    highest: str
    deprecated: str = ""
    retracted: tuple[tuple[str, str, str], ...] = ()
    """Lowest and highest version of a range, and why."""


class FactsKept(Database):
    """The catalog's half about what versions contain."""

    def unread(self, tool: int, *, limit: int, after: int = 0) -> list[tuple[int, ModuleVersion]]:
        """Return published versions that `tool` has not read, in the order of publishing, each with its number.

        `after` skips numbers up to it.
        """
        query = sa.select(versions.c.sequence, versions.c.path, versions.c.version)
        query = query.outerjoin(facts, facts.c.version_id == versions.c.id)
        query = query.where(versions.c.sequence > after, sa.func.coalesce(facts.c.tool, 0) < tool)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(versions.c.sequence).limit(limit)).all()
        return [(row.sequence, ModuleVersion(row.path, row.version)) for row in rows]

    def keep_facts(self, rows: Sequence[FactsRow]) -> None:
        """Keep what was read of versions, in place of what was there; of one that is not published nothing."""
        now = self.now()

        def work(connection: sa.Connection) -> None:
            ids = _ids(connection, [row.mv for row in rows])
            known = [(ids[row.mv], row) for row in rows if row.mv in ids]
            for piece in pieces([number for number, _ in known]):
                connection.execute(facts.delete().where(facts.c.version_id.in_(piece)))
            insert_rows(connection, facts, [_facts_values(number, row, now) for number, row in known])

        self._write(work)

    def facts_of(self, path: str) -> dict[str, FactsRow]:
        """Return what was read of each version of a module that was read, by version."""
        query = sa.select(facts, versions.c.path, versions.c.version)
        query = query.join(versions, versions.c.id == facts.c.version_id).where(versions.c.path == path)
        with self._reading() as connection:
            return {row.version: _facts_row(row) for row in connection.execute(query)}

    def stand(self, module: ModuleRow, made: Sequence[PackageRow] | None) -> None:
        """Keep which version stands for a module, with its packages; None leaves those that are there."""

        def work(connection: sa.Connection) -> None:
            values = {
                "latest": module.latest,
                "highest": module.highest,
                "deprecated": module.deprecated,
                "retracted": json.dumps(module.retracted),
            }
            insert = insert_into(connection, modules).values(path=module.path, **values)
            connection.execute(insert.on_conflict_do_update(index_elements=["path"], set_=values))
            if made is None:
                return
            for table in (packages, imports):
                connection.execute(table.delete().where(table.c.module == module.path))
            insert_rows(connection, packages, [_package_values(row) for row in made])
            named = [(row.path, other) for row in made for other in row.imports]
            insert_rows(
                connection, imports, [{"module": module.path, "path": path, "imported": other} for path, other in named]
            )

        self._write(work)

    def modules(self, paths: Collection[str]) -> dict[str, ModuleRow]:
        """Return these modules; one of which nothing was read is left out."""
        found = {}
        with self._reading() as connection:
            for piece in pieces(sorted(paths)):
                for row in connection.execute(sa.select(modules).where(modules.c.path.in_(piece))):
                    retracted = tuple((low, high, why) for low, high, why in json.loads(row.retracted))
                    found[row.path] = ModuleRow(
                        path=row.path,
                        latest=row.latest,
                        highest=row.highest,
                        deprecated=row.deprecated,
                        retracted=retracted,
                    )
        return found

    def packages_of(self, module: str) -> list[PackageRow]:
        """Return the packages of the version that stands for a module, by path."""
        query = sa.select(packages).where(packages.c.module == module).order_by(packages.c.path)
        with self._reading() as connection:
            return [_package_row(row) for row in connection.execute(query)]

    def packages_at(self, path: str) -> list[PackageRow]:
        """Return the packages that have an import path: of one module, or, while a path moves, of several."""
        query = sa.select(packages).where(packages.c.path == path).order_by(packages.c.module)
        with self._reading() as connection:
            return [_package_row(row) for row in connection.execute(query)]

    def importers(self, path: str, *, limit: int = 100, after: str = "") -> list[str]:
        """Return the import paths of the packages of other modules that import a package; those after `after`."""
        query = _importers(imports.c.path, path).distinct()
        query = query.where(imports.c.path > after).order_by(imports.c.path).limit(limit)
        with self._reading() as connection:
            return list(connection.execute(query).scalars())

    def imported_by(self, path: str) -> int:
        """Return how many packages of other modules import a package."""
        with self._reading() as connection:
            query = _importers(sa.func.count(imports.c.path.distinct()), path)
            return int(connection.execute(query).scalar_one())


def _importers(what: Any, path: str) -> sa.Select[Any]:
    own = sa.select(packages.c.module).where(packages.c.path == path)
    return sa.select(what).where(imports.c.imported == path, imports.c.module.not_in(own))


def _ids(connection: sa.Connection, mvs: Sequence[ModuleVersion]) -> dict[ModuleVersion, int]:
    name = sa.tuple_(versions.c.path, versions.c.version)
    found: dict[ModuleVersion, int] = {}
    for piece in pieces(mvs, 200):
        query = sa.select(versions.c.id, versions.c.path, versions.c.version)
        query = query.where(
            versions.c.state == State.PUBLISHED.value, name.in_([(mv.path, mv.version) for mv in piece])
        )
        found |= {ModuleVersion(row.path, row.version): int(row.id) for row in connection.execute(query)}
    return found


def _facts_values(number: int, row: FactsRow, now: int) -> dict[str, Any]:
    return {
        "version_id": number,
        "tool": row.tool,
        "at": now,
        "size": row.size,
        "error": row.error,
        "findings": row.findings,
        "packages": row.packages,
        "go": row.go,
        "licences": " ".join(row.licences),
        "synopsis": row.synopsis,
    }


def _facts_row(row: Any) -> FactsRow:
    return FactsRow(
        mv=ModuleVersion(row.path, row.version),
        tool=row.tool,
        size=row.size,
        error=row.error,
        findings=row.findings,
        packages=row.packages,
        go=row.go,
        licences=tuple(row.licences.split()),
        synopsis=row.synopsis,
        at=from_micros(row.at),
    )


def _package_values(row: PackageRow) -> dict[str, Any]:
    return {
        "module": row.module,
        "path": row.path,
        "name": row.name,
        "synopsis": row.synopsis,
        "symbols": row.symbols,
    }


def _package_row(row: Any) -> PackageRow:
    return PackageRow(row.module, row.path, row.name, row.synopsis, row.symbols)
