"""Source `seed`: what a person names, on the command line or in a file.

An item is `module`, `module@version`, `module@latest`, `module@all` or any query the upstream understands; a go.mod
(its requirements and replacements), a go.sum (every version it names, those with a go.mod hash alone included), a
file of items, one a line, or `-` for such lines on stdin. `#` starts a comment. Lines that are none of these are
reported and skipped.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from gopherwood import gomod, module
from gopherwood.discover.source import Ask, Bad, Batch, concurrently, is_exact, resolve
from gopherwood.errors import InvalidGoModError, InvalidPathError, UsageError
from gopherwood.module import ModuleVersion

SEEDS = Path(__file__).parent.parent / "seeds"
"""The seed lists that come with Gopherwood, by name."""
FORMS = "name MODULE, MODULE@VERSION, MODULE@latest or MODULE@all, or a go.mod, a go.sum or a file of such lines"
FILE_ENDINGS = (".mod", ".sum", ".txt")
"""What no module path ends with, but files do that people name."""
CHUNK = 1000

Item = tuple[str, str]
"""A module path and a version or query."""


def find(ask: Ask) -> Iterator[Batch]:
    """Yield what the asked items and seed lists name: whole versions first, then what must be asked of the upstream."""
    queries: list[Item] = []
    found: dict[ModuleVersion, None] = {}
    bad: list[Bad] = []
    for item in _all_items(ask):
        if isinstance(item, Bad):
            bad.append(item)
        elif is_exact(*item):
            found[ModuleVersion(*item)] = None
        else:
            queries.append(item)
    exact = list(found)
    yield Batch(exact[:CHUNK], bad)
    for start in range(CHUNK, len(exact), CHUNK):
        yield Batch(exact[start : start + CHUNK])
    queries = list(dict.fromkeys(queries))
    if queries:
        yield from concurrently(lambda item: resolve(ask.upstream, *item), queries, ask.stop)


def _all_items(ask: Ask) -> Iterator[Item | Bad]:
    for name in ask.seeds:
        yield from read_file(seed_file(name))
    for text in ask.wanted:
        yield from read(text)


def seed_file(name: str) -> Path:
    """Return the file of a seed list: one that comes with Gopherwood, or a path.

    Raises UsageError naming the lists there are.
    """
    for path in (SEEDS / f"{name}.txt", Path(name)):
        if path.is_file():
            return path
    ours = ", ".join(sorted(path.stem for path in SEEDS.glob("*.txt")))
    raise UsageError(f"no seed list {name!r}", hint=f"name a file, or one of: {ours}")


def read(text: str) -> Iterator[Item | Bad]:
    """Yield the items of one argument of the command line.

    Raises UsageError when it names a file that is not there.
    """
    path = Path(text)
    if text == "-":
        yield from lines(sys.stdin, "stdin")
    elif path.is_file():
        yield from read_file(path)
    elif _looks_like_a_file(text):
        what = f"{text} is a folder" if path.is_dir() else f"no such file: {text}"
        raise UsageError(what, hint=FORMS)
    else:
        yield item(text)


def _looks_like_a_file(text: str) -> bool:
    return text.startswith((".", "/", "~")) or ("@" not in text and text.endswith(FILE_ENDINGS))


def read_file(path: Path) -> Iterator[Item | Bad]:
    """Yield the items of a go.mod, a go.sum or a file of lines, told apart by the end of its name.

    Raises UsageError when it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name a file that you may read") from error
    if path.name.endswith(".mod"):
        yield from go_mod(path.name, data)
    else:
        text = data.decode("utf-8", errors="replace")
        yield from lines(text.splitlines(), path.name, go_sum=path.name.endswith(".sum"))


def go_mod(name: str, data: bytes) -> Iterator[Item | Bad]:
    """Yield the requirements of a go.mod and the modules that replace some of them."""
    try:
        parsed = gomod.parse(name, data)
    except InvalidGoModError as error:
        yield Bad(name, str(error))
        return
    for mv in [require.mv for require in parsed.require] + [replace.new for replace in parsed.replace]:
        if mv.version:
            yield mv.path, mv.version


def lines(text: Iterable[str], name: str, *, go_sum: bool = False) -> Iterator[Item | Bad]:
    """Yield the items of lines of text; of a go.sum, the first two of each line's three words."""
    for number, line in enumerate(text, 1):
        words = line.partition("#")[0].split()
        if go_sum and len(words) == 3:
            yield words[0], words[1].removesuffix("/go.mod")
        elif len(words) == 1 and not go_sum:
            yield item(words[0])
        elif words:
            yield Bad(
                f"{name}:{number}", f"not a {'go.sum line' if go_sum else 'module@version'}: {line.strip()[:100]!r}"
            )


def item(text: str) -> Item | Bad:
    """Return the module path and the query of `module[@query]`."""
    path, at, query = text.partition("@")
    if not path or (at and not query) or "@" in query:
        return Bad(text, f"not a module@version: {FORMS}")
    try:
        module.check_path(path)
    except InvalidPathError as error:
        return Bad(text, f"{error}: {FORMS}")
    return path, query or "latest"
