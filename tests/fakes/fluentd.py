r"""FluentD's rules, read from its configuration and put to work on lines: what of FluentD our rules need, and no more.

FluentD itself is in no package at hand. The parts that are ours, which expression matches what, are run as they stand;
what each plugin does with a match is taken from its documentation (concat, record_modifier, parser). Ruby's regular
expressions are used in the subset that Python shares, but for the name of a group.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Section:
    """`<name argument> ... </name>` with its parameters, and the sections in it."""

    name: str
    argument: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    sections: list["Section"] = field(default_factory=list)

    def all(self, name: str) -> Iterator["Section"]:
        """Yield the sections of a name, at any depth, in order."""
        for each in self.sections:
            if each.name == name:
                yield each
            yield from each.all(name)

    def by_id(self, id_: str) -> "Section":
        return next(each for name in ("source", "filter", "match") for each in self.all(name) if each["@id"] == id_)

    def __getitem__(self, parameter: str) -> str:
        return self.parameters.get(parameter, "")

    def regexp(self, parameter: str) -> re.Pattern[str]:
        """Compile `/.../` or `/.../m`; raises ValueError for another form."""
        match = re.fullmatch(r"/(.*)/(m?)", self[parameter])
        if not match:
            raise ValueError(f"no regular expression: {self[parameter]}")
        return re.compile(re.sub(r"\(\?<(?=[a-z])", "(?P<", match[1]), re.DOTALL if match[2] else 0)


def parse(text: str) -> Section:
    """Read a configuration; raises ValueError for what is not closed, or closed twice."""
    stack = [Section("root")]
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        if match := re.fullmatch(r"<(\w+)(?: ([^>]*))?>", line):
            section = Section(match[1], match[2] or "")
            stack[-1].sections.append(section)
            stack.append(section)
        elif match := re.fullmatch(r"</(\w+)>", line):
            if len(stack) == 1 or stack.pop().name != match[1]:
                raise ValueError(f"line {number}: {line} closes nothing")
        else:
            name, _, value = line.partition(" ")
            stack[-1].parameters[name] = value.strip()
    if len(stack) != 1:
        raise ValueError(f"<{stack[-1].name}> is not closed")
    return stack[0]


def joined(rule: Section, lines: Iterable[str]) -> Iterator[str]:
    """Join lines as filter_concat does, with a beginning and an end."""
    start, end = rule.regexp("multiline_start_regexp"), rule.regexp("multiline_end_regexp")
    held: list[str] = []
    for line in lines:
        if start.search(line):
            yield from ["\n".join(held)] if held else []
            held = [line]
        elif not held:
            yield line
        else:
            held.append(line)
            if end.search(line):
                yield "\n".join(held)
                held = []
    yield from ["\n".join(held)] if held else []


def masked(rule: Section, line: str) -> str:
    """Replace as filter_record_modifier does, one expression after the other."""
    for each in rule.sections:
        replacement = re.sub(r"\\(\d)", r"\\g<\1>", each["replace"])
        line = each.regexp("expression").sub(replacement, line)
    return line


def read(rule: Section, line: str) -> dict[str, Any]:
    """Parse as filter_parser with multi_format does: the first pattern that takes the line."""
    for pattern in rule.sections[0].sections:
        if pattern["format"] == "json":
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                return record
        elif match := pattern.regexp("expression").search(line):
            return match.groupdict()
    raise ValueError(f"no pattern takes {line!r}")
