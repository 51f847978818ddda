"""Where files wait between fetch and publish, under a token for each attempt that the catalog keeps.

A worker that lost its lease writes under a name that nobody reads any more, so attempts never mix. The files of one
process lie side by side in one folder: a folder for each attempt would cost more than all the rest of a fetch (on ext4
130 µs to make one and 160 µs for each first file in it, against 15 µs for a file among others), and one more to sync.
Nothing here is synced while it is fetched (thousands of fsyncs would be wasted on files that a rule rejects); `sync`
makes a batch durable before the catalog calls it valid. What a power failure cut before that is found by size (`files`
compares the sizes noted at `commit`) and costs another fetch, never a verdict. On the file system of the store,
publishing is a `link()` of these very files. In a bucket, files are written in a scratch folder and go up at `commit`.
"""

import hashlib
import json
import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from gopherwood.config import Settings
from gopherwood.errors import StorageError
from gopherwood.module import ModuleVersion
from gopherwood.objects import LocalFolder, MissingError, Objects, sync_paths

MANIFEST = ".sizes"
"""Suffix of the file that keeps the sizes others had at `commit`: the committed state of a token in a local folder."""

SUFFIXES = (".info", ".mod", ".zip")
PART = ".part"
"""Suffix of files that are being written."""

COMMITTED_MODE = 0o444

GARBAGE_SECONDS = 3600.0
"""How old unfinished files and forgotten staging must be to be removed, unless leases are longer."""


def garbage_seconds(settings: Settings) -> float:
    """Return the age from which on what nobody needs is garbage: nobody who lives can be about to need it."""
    return max(GARBAGE_SECONDS, 2 * settings.lease_seconds)


class Staging:
    """The staging area in `objects`, opened as mutable; files for a bucket are written in `scratch` first."""

    def __init__(self, objects: Objects, scratch: Path | None = None) -> None:
        self.objects = objects
        self._local = objects.root if isinstance(objects, LocalFolder) else None
        self._scratch = scratch
        self._made: Path | None = None
        self._making = threading.Lock()
        self._mine = secrets.token_hex(4)

    def begin(self, mv: ModuleVersion, attempt: int) -> str:
        """Start a new attempt and return its token, which nobody ever had before."""
        folder = self._root() / self._mine
        name = hashlib.sha256(str(mv).encode()).hexdigest()[:16]
        token = f"{self._mine}/{name}-{attempt}-{secrets.token_hex(4)}"
        while True:
            # Each time anew: whoever published the last file in it removes the folder, and may do so between the two
            # calls. Once a file is in it nobody can.
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self.path_for(token, MANIFEST).touch()
                return token

    def path_for(self, token: str, suffix: str) -> Path:
        """Return the local file to write for `suffix`; it counts once committed. May replace a committed one."""
        return Path(f"{self._place(token)}{suffix}{PART}")

    def commit(self, token: str, suffixes: Sequence[str]) -> dict[str, int]:
        """Make written files part of the token, unchangeable from now on; return their sizes in bytes."""
        sizes = {}
        place = self._place(token)
        try:
            for suffix in suffixes:
                part = f"{place}{suffix}{PART}"
                os.chmod(part, COMMITTED_MODE)  # noqa: PTH101  thrice a version: pathlib would cost more than the calls
                sizes[suffix] = os.stat(part).st_size  # noqa: PTH116
                os.rename(part, f"{place}{suffix}")  # noqa: PTH104
            self._note_sizes(token, sizes)
        except OSError as error:
            raise StorageError(f"staging {token}: {error.filename}: {error.strerror}") from error
        if self._local is None:
            for suffix in suffixes:
                self.objects.delete(_key(token, suffix))
            self.objects.create_many([(_key(token, suffix), self._file(token, suffix)) for suffix in suffixes])
        return sizes

    def files(self, token: str) -> dict[str, Path]:
        """Return the committed files by suffix; raises MissingError when one is gone or not of its size any more."""
        if self._local is None:
            return self._download(token)
        sizes = self._sizes(token)
        if not sizes:
            raise MissingError(f"nothing is staged under {token}")
        found = {suffix: self._file(token, suffix) for suffix in sizes}
        for suffix, path in found.items():
            if _size(path) != sizes[suffix]:
                raise MissingError(f"{path} is not as it was staged", hint="it is fetched again")
        return found

    def sync(self, tokens: Iterable[str]) -> None:
        """Make all committed files of these tokens durable, in one round; a bucket's are already."""
        if self._local is None:
            return
        paths: list[Path] = []
        folders = {self._local}
        for token in tokens:
            manifest = self._file(token, MANIFEST)
            paths += [*self.files(token).values(), manifest]
            folders.add(manifest.parent)
        sync_paths(paths)
        sync_paths(sorted(folders))

    def drop(self, tokens: Iterable[str]) -> None:
        """Remove what is staged under these tokens; unknown ones are fine. Raises StorageError."""
        try:
            self._drop(tokens)
        except OSError as error:
            raise StorageError(f"staging: {error.filename} cannot be removed: {error.strerror}") from error

    def _drop(self, tokens: Iterable[str]) -> None:
        folders: set[str] = set()
        for token in tokens:
            place = self._place(token)
            for suffix in (*SUFFIXES, MANIFEST):
                for name in (f"{place}{suffix}", f"{place}{suffix}{PART}"):
                    with suppress(FileNotFoundError):
                        os.unlink(name)  # noqa: PTH108 - lighter than pathlib, and this is done for every version
            folders.add(place.rpartition("/")[0])
            if self._local is None:
                for key in list(self.objects.keys(f"{token}.")):
                    self.objects.delete(key)
        for folder in folders - {f"{self._root()}/{self._mine}"}:
            with suppress(OSError):
                os.rmdir(folder)  # noqa: PTH106 - the last of a process that is gone

    def sweep(self, live_tokens: Collection[str], older_than: float) -> int:
        """Drop each token that is not live and was last written `older_than` seconds ago; return how many.

        `older_than` must be longer than a lease: a fetch under way has a token that the catalog does not know yet.
        """
        dead = self.forgotten(live_tokens, older_than)
        self.drop(dead)
        self.objects.sweep(older_than)
        return len(dead)

    def forgotten(self, live_tokens: Collection[str], older_than: float) -> list[str]:
        """Return the tokens that are not live and were last written `older_than` seconds ago; see `sweep`."""
        limit = time.time() - older_than
        return [token for token in self._tokens() - set(live_tokens) if self._last_written(token) <= limit]

    def close(self) -> None:
        """Remove the scratch folder, if this object made one."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
            self._made = None

    def _tokens(self) -> set[str]:
        if self._local is None:
            return {_token_of(key) for key in self.objects.keys(prefix="")}
        return {_token_of(path.relative_to(self._local).as_posix()) for path in self._local.glob("*/*.*")}

    def _last_written(self, token: str) -> float:
        """Return when a token last changed, in seconds since the epoch; the future when it goes away meanwhile."""
        try:
            if self._local is None:
                return max(self.objects.modified(key) for key in self.objects.keys(f"{token}."))
            place = Path(self._place(token))
            return max(path.stat().st_mtime for path in place.parent.glob(f"{place.name}.*"))
        except (FileNotFoundError, MissingError, ValueError):
            return float("inf")

    def _root(self) -> Path:
        if self._local is not None:
            return self._local
        if self._scratch is not None:
            return self._scratch
        with self._making:
            if self._made is None:
                self._made = Path(tempfile.mkdtemp(prefix="gopherwood-staging-"))
            return self._made

    def _place(self, token: str) -> str:
        """Return what the paths of all files of a token begin with."""
        if token.count("/") != 1 or "." in token:
            raise StorageError(f"{token!r} is no token of staging")
        return f"{self._root()}/{token}"

    def _file(self, token: str, suffix: str) -> Path:
        return Path(f"{self._place(token)}{suffix}")

    def _sizes(self, token: str) -> dict[str, int]:
        try:
            sizes: dict[str, int] = json.loads(self._file(token, MANIFEST).read_bytes())
        except (FileNotFoundError, ValueError):  # never written, or cut by a power failure
            return {}
        return sizes

    def _note_sizes(self, token: str, sizes: dict[str, int]) -> None:
        manifest = self._file(token, MANIFEST)
        if ".zip" not in sizes:  # a file is committed again: the others' sizes stay
            sizes = self._sizes(token) | sizes
        aside = Path(f"{manifest}{PART}")
        aside.write_text(json.dumps(sizes))
        aside.rename(manifest)

    def _download(self, token: str) -> dict[str, Path]:
        found = {}
        for key in self.objects.keys(f"{token}."):
            suffix = "." + key.rpartition(".")[2]
            mine = self._file(token, suffix)
            mine.parent.mkdir(parents=True, exist_ok=True)
            found[suffix] = mine if mine.is_file() else self.objects.fetch_to(key, mine.parent).rename(mine)
        if not found:
            raise MissingError(f"nothing is staged under {token}")
        return found


def _size(path: Path) -> int | None:
    """Return the bytes of a file, None when there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _key(token: str, suffix: str) -> str:
    return f"{token}{suffix}"


def _token_of(name: str) -> str:
    """Return the token of a file's key or relative path."""
    return name.partition(".")[0]
