"""The client of a checksum database: verified lookups, in batches.

A batch is one pass: all lookups at once, then the newest of the heads they came with is trusted, then all records are
proved in it with one reading of tiles, then tiles and records are made durable. See the package's docstring for what is
checked and what is kept.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

from gopherwood import module, store, tlog
from gopherwood.errors import ContentError, GopherwoodError, NotFoundError, ProofError, UpstreamError
from gopherwood.module import ModuleVersion
from gopherwood.note import MalformedNoteError
from gopherwood.objects import MissingError, Objects
from gopherwood.sumdb import evidence
from gopherwood.sumdb.heads import Head, Heads, HeadStore, open_head
from gopherwood.sumdb.setting import Database
from gopherwood.sumdb.tiles import Fetch, Tiles
from gopherwood.tlog import HEIGHT, Tile, Tree

BATCH: Final = 256
"""Lookups of one pass."""
WORKERS: Final = 16
"""Requests at once."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the database says of a module version: its number in the log, its text, and the two hashes in it."""

    id: int
    text: str
    h1: str
    go_mod_h1: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """A lookup's answer, parsed, not yet believed."""

    mv: ModuleVersion
    number: int
    text: bytes
    head: Head | None
    """The head that it came with; None when it is the mirror's."""
    data: bytes
    """All of it, as it came: evidence, when it turns out to be false."""


Result: TypeAlias = Record | GopherwoodError


class SumDB:
    """A checksum database, verified and mirrored. Any number of processes may share its catalog and store."""

    def __init__(
        self,
        database: Database,
        fetch: Fetch,
        kept: HeadStore,
        objects: Objects,
        *,
        workers: int = WORKERS,
    ) -> None:
        self.database = database
        self.fetch = fetch
        self._objects = objects
        self._heads = Heads(database, kept, objects)
        self._workers = workers

    @property
    def name(self) -> str:
        """The database's name."""
        return self.database.name

    def lookup(self, mv: ModuleVersion) -> Record:
        """Return the verified record of one module version; see `lookup_many` for the errors, which are raised here."""
        result = self.lookup_many([mv])[mv]
        if isinstance(result, GopherwoodError):
            raise result
        return result

    def lookup_many(self, mvs: Iterable[ModuleVersion]) -> dict[ModuleVersion, Result]:
        """Look up and verify module versions; the answers are in the order of the questions.

        An answer may be a NotFoundError (the database does not know it, or must not be asked), a ProofError (forged,
        forked), or an UpstreamError (it could not be asked, or withholds what verification needs: try later). Errors
        of our own store and catalog, and StoppedError, are raised.
        """
        wanted = list(dict.fromkeys(mvs))
        results: dict[ModuleVersion, Result] = {}
        with ThreadPoolExecutor(self._workers, "sumdb") as pool:
            for at in range(0, len(wanted), BATCH):
                results |= self._pass(wanted[at : at + BATCH], pool)
        return {mv: self._kept(results[mv]) for mv in wanted}

    def refresh(self) -> Tree:
        """Ask for the newest tree head and trust it; return the newest one trusted.

        Raises ProofError and UpstreamError.
        """
        try:
            with ThreadPoolExecutor(self._workers, "sumdb") as pool:
                self._heads.merge(self._open_head(self.fetch("latest")), self.tiles(pool))
        except ProofError as error:
            self._kept(error)
            raise
        return self._heads.newest().tree

    def mirror_tiles(self, paths: Iterable[str]) -> dict[str, GopherwoodError]:
        """Verify and keep the hash tiles at these paths, as wide as they are in the newest trusted tree and as asked.

        For what clients asked of the mirror in vain, having seen other heads elsewhere. Returns what could not be had:
        with a NotFoundError what is not in the tree, a ProofError or an UpstreamError as for lookups.
        """
        failed: dict[str, GopherwoodError] = {}
        newest = self._heads.newest()
        with ThreadPoolExecutor(self._workers, "sumdb") as pool:
            tiles = self.tiles(pool)
            reader = tlog.tile_hash_reader(newest.tree, tiles)
            for path in dict.fromkeys(paths):
                try:
                    asked, wide = _tile_in(path, newest.tree)
                    reader([tlog.stored_hash_index(wide.h * wide.l, wide.n << wide.h)])
                    if asked.w < wide.w and not wide.is_full:  # from a full one, serving cuts it
                        tiles.cut(wide, asked.w)
                except ProofError as error:
                    failed[path] = evidence.bad_tiles(self.name, newest.signed, error, tiles.suspect())
                    self._kept(failed[path])
                except UpstreamError as error:
                    failed[path] = error
            tiles.flush()
        return failed

    def head(self) -> Head:
        """Return the newest trusted head."""
        return self._heads.newest()

    def kept(self, error: ProofError) -> ProofError:
        """Make the evidence of a lie durable, before anybody hears of it, and return the error."""
        self._kept(error)
        return error

    def _kept(self, result: Result) -> Result:
        """Make the evidence durable, if a result is a lie, before anybody hears of it."""
        if isinstance(result, ProofError) and not result.kept:
            evidence.keep(self._objects, self.name, result)
        return result

    def tiles(self, pool: Executor) -> Tiles:
        """Return a reader of tiles for one reading; nothing of it is kept before its `flush`."""
        return Tiles(self.name, self.fetch, self._objects, pool)

    # --- one pass

    def _pass(self, mvs: Sequence[ModuleVersion], pool: Executor) -> dict[ModuleVersion, Result]:
        results: dict[ModuleVersion, Result] = {}
        answers: list[_Answer] = []
        try:
            trusted = self._heads.newest().tree.n
        except ProofError as error:
            return dict.fromkeys(mvs, error)
        for mv, found in zip(mvs, pool.map(lambda mv: self._find(mv, trusted), mvs), strict=True):
            if isinstance(found, _Answer):
                answers.append(found)
            else:
                results[mv] = found
        if answers:
            tiles = self.tiles(pool)
            heads = {answer.head.tree: answer.head for answer in answers if answer.head}
            wrong = self._heads.merge_all(heads.values(), tiles) if heads else {}
            results |= {a.mv: wrong[a.head.tree] for a in answers if a.head and a.head.tree in wrong}
            proved = self._prove([answer for answer in answers if answer.mv not in results], tiles)
            self._mirror([a for a in answers if a.head and isinstance(proved.get(a.mv), Record)], tiles)
            results |= proved
        return results

    def _find(self, mv: ModuleVersion, trusted: int) -> Result | _Answer:
        """Return what is mirrored, if a head of `trusted` records covers it; else ask.

        It was verified when it was stored, and is again: whoever can write into the store cannot sign.
        """
        try:
            data = self._objects.read(store.lookup_key(self.name, mv))
            number, text, _ = tlog.parse_record(data)
            if 0 <= number < trusted:
                return _Answer(mv, number, text, None, data)
        except MissingError:
            pass
        except ProofError as error:
            return evidence.bad_mirror(self.name, mv, str(error), data, b"")
        except ContentError as error:
            return error
        try:
            return self._ask(mv)
        except (UpstreamError, ProofError) as error:
            return error

    def _ask(self, mv: ModuleVersion) -> _Answer:
        data = self.fetch(f"lookup/{module.escape_path(mv.path)}@{module.escape_version(mv.version)}")
        try:
            number, text, signed = tlog.parse_record(data)
        except ProofError as error:  # damage on the way, as below
            raise UpstreamError(f"{self.name}: {mv}: {error}") from None
        head = self._open_head(signed)
        if not 0 <= number < head.tree.n:
            raise UpstreamError(f"{self.name}: {mv}: record {number} is not covered by its tree of {head.tree.n}")
        return _Answer(mv, number, text, head, data)

    def _open_head(self, signed: bytes) -> Head:
        try:
            return open_head(self.database, signed)
        except MalformedNoteError as error:  # damage on the way, not an attack: nothing was believed
            raise UpstreamError(f"{self.name}: {error}") from None

    def _prove(self, answers: Sequence[_Answer], tiles: Tiles) -> dict[ModuleVersion, Result]:
        """Check that each record is in the newest trusted tree, under the number that it came with."""
        newest = self._heads.newest()
        reader = tlog.tile_hash_reader(newest.tree, tiles)
        try:
            hashes = reader([tlog.stored_hash_index(0, answer.number) for answer in answers])
        except (ProofError, UpstreamError):  # one bad tile must not be held against all
            return {answer.mv: self._prove_one(answer, newest, tiles) for answer in answers}
        return {answer.mv: self._compare(answer, it, newest, tiles) for answer, it in zip(answers, hashes, strict=True)}

    def _prove_one(self, answer: _Answer, newest: Head, tiles: Tiles) -> Result:
        try:
            value = tlog.tile_hash_reader(newest.tree, tiles)([tlog.stored_hash_index(0, answer.number)])[0]
        except ProofError as error:
            return evidence.bad_tiles(self.name, newest.signed, error, tiles.suspect())
        except UpstreamError as error:
            return error
        return self._compare(answer, value, newest, tiles)

    def _compare(self, answer: _Answer, value: tlog.Hash, newest: Head, tiles: Tiles) -> Result:
        if tlog.record_hash(answer.text) != value and answer.head is None:
            about = f"not the one its log holds as number {answer.number}"
            return evidence.bad_mirror(self.name, answer.mv, about, answer.data, newest.signed)
        if tlog.record_hash(answer.text) != value:
            about = f"{answer.mv}: the record shown is not the one its log holds as number {answer.number}"
            return evidence.bad_record(
                self.name, about, answer.data, newest.signed, _proof(answer.number, value, newest.tree, tiles)
            )
        return self._record(answer.mv, answer.number, answer.text, answer.data)

    def _record(self, mv: ModuleVersion, number: int, text: bytes, answer: bytes = b"") -> Result:
        """Read the two hashes out of a record.

        A ProofError when it is another module's; a NotFoundError when it has not both, for then there is nothing to
        hold a zip against.
        """
        lines = text.decode().splitlines()
        of_zip, of_mod = f"{mv.path} {mv.version} ", f"{mv.path} {mv.version}/go.mod "
        if not any(line.startswith((of_zip, of_mod)) for line in lines):
            about = f"record {number} was given for {mv}, and does not speak of it"
            return evidence.bad_record(self.name, about, answer or text, self._heads.newest().signed, "")
        found = [_h1(lines, of_zip), _h1(lines, of_mod)]
        if not all(found):
            which = "go.mod" if found[0] else "zip"
            return NotFoundError(f"{self.name}: record {number} of {mv} has no h1 hash of the {which}")
        return Record(number, text.decode(), *found)

    def _mirror(self, answers: Sequence[_Answer], tiles: Tiles) -> None:
        """Keep what was proved: the tiles first, so that a record that can be read can be proved."""
        tiles.flush()
        self._objects.create_many(
            [
                (store.lookup_key(self.name, answer.mv), tlog.format_record(answer.number, answer.text))
                for answer in answers
            ]
        )


def _tile_in(path: str, tree: Tree) -> tuple[Tile, Tile]:
    """Name the hash tile at a path, and the one in its place in the tree; raises NotFoundError if that has it not.

    Clients ask for the full tile where the one of their head was refused, so it need not be full yet.
    """
    try:
        tile = tlog.parse_tile_path(path)
    except ProofError as error:
        raise NotFoundError(str(error)) from None
    width = min((tree.n >> (tile.h * max(tile.l, 0))) - (tile.n << tile.h), tile.full_width)
    if tile.h != HEIGHT or tile.l < 0 or width < (1 if tile.is_full else tile.w):
        raise NotFoundError(f"{tile.path()} is no hash tile of the trusted tree of {tree.n} records")
    return tile, tile._replace(w=width)


def _h1(lines: Iterable[str], prefix: str) -> str:
    """Return the first h1 hash of the lines that begin so; other kinds of hashes are for clients to come."""
    return next((line.removeprefix(prefix) for line in lines if line.startswith(f"{prefix}h1:")), "")


def _proof(number: int, value: tlog.Hash, tree: Tree, tiles: Tiles) -> str:
    """Say what the tree holds under a number, with the proof that it does."""
    try:
        proof = tlog.prove_record(tree.n, number, tlog.tile_hash_reader(tree, tiles))
    except (ProofError, UpstreamError) as error:
        return f"Its log holds a record of hash {tlog.format_hash(value)} there. It withholds the proof: {error}"
    shown = [tlog.format_hash(each) for each in (value, *proof)]
    return "\n".join(
        [f"The record that its tree of {tree.n} holds as number {number} has this hash, and its proof:", *shown]
    )
