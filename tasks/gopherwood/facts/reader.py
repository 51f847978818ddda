"""A process that reads versions one after another and is killed when one takes too long.

    python -I -m gopherwood.facts.reader

It takes a JSON array a line on stdin (module path, version, zip, go.mod, where the facts go) and answers each with a
JSON object a line: the size of what it wrote, or why it could not. Its address space is bounded, and it ends when its
stdin does, so nobody has to look after it. A poison file costs its process, never the worker.
"""

import json
import resource
import sys
from pathlib import Path

from gopherwood.errors import GopherwoodError

ADDRESS_SPACE = 3 << 30
"""Bytes that may be mapped: the largest zip, its largest file, the syntax tree of that."""


def main() -> None:
    """Answer till stdin ends."""
    from gopherwood.facts.extract import extract
    from gopherwood.facts.pack import pack
    from gopherwood.module import ModuleVersion

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for line in sys.stdin:
        path, version, zip_path, mod_path, target = json.loads(line)
        try:
            made = extract(ModuleVersion(path, version), Path(zip_path), Path(mod_path).read_bytes())
            answer: dict[str, int | str] = {"size": Path(target).write_bytes(pack(made))}
        except (GopherwoodError, MemoryError, RecursionError) as error:
            answer = {"error": str(error) or type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
