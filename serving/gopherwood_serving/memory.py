"""Hot answers in bounded memory, keyed by the path of the request: the heart of the data path.

A hit costs one dictionary look-up and one assignment, so what is hot must be found without bookkeeping: eviction gives
each answer a second chance (the CLOCK algorithm: in order of arrival, those asked for since the last look stay). One
thread writes, the event loop's; any thread may read, since a dictionary look-up is atomic.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gopherwood_serving.access import Note
from gopherwood_serving.answers import Answer
from gopherwood_serving.metrics import Cell

OVERHEAD = 1800
"""Bytes that an entry costs beside its body (headers, path, objects; measured), so that tiny ones count fairly."""
UNNOTED = Note("")


@dataclass(slots=True)
class Entry:
    """An answer with what the fast lane needs at hand."""

    answer: Answer
    cell: Cell
    """Where its hits are counted."""
    note: Note
    """What the access log says of its hits."""
    cost: int
    used: bool = True


class Memory:
    """Answers by request path, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.evictions = 0
        self._entries: dict[str, Entry] = {}
        self._of_module: defaultdict[str, set[str]] = defaultdict(set)
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, path: str, answer: Answer, cell: Cell, note: Note = UNNOTED) -> None:
        """Keep an answer; older ones that nobody asks for make room."""
        body = len(answer.body) if isinstance(answer.body, bytes) else 0
        cost = body + len(path) + OVERHEAD
        if cost > self.limit // 8:
            return
        self._drop(path)
        self._make_room(cost)
        self._entries[path] = Entry(answer, cell, note, cost)
        self.size += cost
        if answer.module:
            self._of_module[answer.module].add(path)

    def forget(self, modules: Iterable[str]) -> None:
        """Drop what may be out of date now that these modules have something new."""
        for module in modules:
            for path in self._of_module.pop(module, ()):
                self._drop(path)

    def forget_changeable(self) -> None:
        """Drop everything that is not for ever."""
        self.forget(list(self._of_module))

    def drop(self, path: str) -> None:
        """Drop the answer to one request, if it is here."""
        self._drop(path)

    def _make_room(self, cost: int) -> None:
        while self.size + cost > self.limit and self._entries:
            path, entry = next(iter(self._entries.items()))
            if entry.used:
                entry.used = False
                self._entries[path] = self._entries.pop(path)
            else:
                self._drop(path)
                self.evictions += 1

    def _drop(self, path: str) -> None:
        entry = self._entries.pop(path, None)
        if entry is None:
            return
        self.size -= entry.cost
        module = entry.answer.module
        if module and (paths := self._of_module.get(module)):
            paths.discard(path)
            if not paths:
                del self._of_module[module]
