"""Bounded memory: what stays, what goes, and what is forgotten when a module has something new."""

from gopherwood_serving.answers import Answer, FileBody, found
from gopherwood_serving.memory import OVERHEAD, Memory
from gopherwood_serving.metrics import Cell


def answer(size: int = 1000, module: str = "") -> Answer:
    """Return an answer with a body of so many bytes."""
    return found(b"x" * size, "text/plain", "", module=module)


def fill(memory: Memory, names: str) -> None:
    """Keep an answer under each letter."""
    for name in names:
        memory.put(name, answer(), Cell())


def test_memory_stays_below_its_limit() -> None:
    """However much is put in, the bytes held never exceed the limit."""
    memory = Memory(20 * (1000 + OVERHEAD))
    for number in range(1000):
        memory.put(str(number), answer(number), Cell())
        assert memory.size <= memory.limit
    assert len(memory) > 0


def test_what_is_asked_for_stays() -> None:
    """An entry that was used since the last look outlives those that were not."""
    memory = Memory(10 * (1001 + OVERHEAD))
    fill(memory, "abcdefghij")
    fill(memory, "k")  # everything was new, so the oldest goes; the others lose their first bonus
    hot = memory.get("b")
    assert hot is not None
    hot.used = True
    fill(memory, "lmn")
    assert memory.get("b") is hot
    assert memory.get("c") is None


def test_what_is_too_large_is_not_kept() -> None:
    """One file never pushes out everything else."""
    memory = Memory(1 << 20)
    memory.put("large", answer(1 << 18), Cell())
    assert (memory.get("large"), memory.size) == (None, 0)


def test_a_file_on_disk_costs_little() -> None:
    """The answer to a large zip is kept without its bytes."""
    memory = Memory(1 << 20)
    memory.put("zip", found(FileBody("/x.zip", 1 << 30), "application/zip", "", etag='"e"'), Cell())
    assert memory.size < 2 * OVERHEAD


def test_a_module_is_forgotten_and_nothing_else() -> None:
    """A publish drops what depends on the versions of its module; files for ever stay."""
    memory = Memory(1 << 20)
    memory.put("/m/@v/list", answer(module="m"), Cell())
    memory.put("/n/@v/list", answer(module="n"), Cell())
    fill(memory, "f")
    memory.forget({"m", "unknown"})
    assert [memory.get(path) is None for path in ("/m/@v/list", "/n/@v/list", "f")] == [True, False, False]
    memory.forget_changeable()
    assert (memory.get("/n/@v/list"), len(memory)) == (None, 1)


def test_sizes_add_up() -> None:
    """Replacing and dropping gives back exactly what was counted."""
    memory = Memory(1 << 20)
    for size in (10, 5000, 100):
        memory.put("same", answer(size, module="m"), Cell())
    memory.forget({"m"})
    assert (memory.size, len(memory)) == (0, 0)
