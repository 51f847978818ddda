"""On which line of a TOML file a key stands: the standard library's reader does not say, and an error must."""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"\s*\[(\[)?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]*\")\s*[.=]")


def line_of(text: str, where: Sequence[str | int]) -> int:
    """Return the line of `("sinks", "ops", "token")` or `("routes", 1, "to")`, or of its table where that has none.

    0 when even that is not found. Enough for files as people write them; a key that is hidden in a text of many lines
    may be taken for one.
    """
    found, table, count = 0, [], dict[str, int]()
    wanted = [str(each) for each in where]
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            table = [part.strip().strip('"') for part in match[2].split(".")]
            if match[1]:
                name = ".".join(table)
                count[name] = count.get(name, -1) + 1
                table = [*table, str(count[name])]
            if table == wanted:
                return number
            if table == wanted[:-1]:
                found = number
        elif (match := _KEY.match(line)) and [*table, match[1].strip('"')] == wanted:
            return number
    return found
