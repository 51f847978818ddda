"""What a file declares, as people read it: without bodies, and without what is not exported.

Only exported names are kept. Unexported fields, methods, constants and variables are left out of the text, which then
says so. Each declaration comes with the name of the type of its package that it may stand with.

Authority: go/doc (reader.go, exports.go) of the Go standard library.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tree_sitter import Node

from gopherwood.gosource.parse import LONGEST_TEXT, GoFile, Raw, comment_text
from gopherwood.gosource.synopsis import synopsis

TYPED = 0.75
"""Share of a group of constants that must have one type for the group to stand with that type."""

_FILTERED = {"struct_type": "fields", "interface_type": "methods"}


@dataclass(frozen=True, slots=True)
class Declaration:
    """Something exported, as its source declares it, without bodies."""

    kind: str
    """const, var, func, type or method."""
    names: tuple[str, ...]
    text: str
    doc: str
    file: str
    line: int

    @property
    def synopsis(self) -> str:
        """The first sentence of its comment."""
        return synopsis(self.doc)


def callable_of(file: GoFile, raw: Raw, kind: str, name: str) -> Declaration:
    """Return a function or method, without its body."""
    body = raw.node.child_by_field_name("body")
    end = raw.node.end_byte if body is None else body.start_byte
    text = file.source[raw.node.start_byte : end].decode("utf-8", "replace").strip()
    return Declaration(kind, (name,), text[:LONGEST_TEXT], raw.doc, file.name, raw.line)


def types_of(file: GoFile, raw: Raw) -> Iterator[Declaration]:
    """Yield the exported types of a declaration; in a group each has the comment above it, else the group's."""
    comments: list[Node] = []
    for child in raw.node.named_children:
        if child.type == "comment":
            comments.append(child)
            continue
        above, comments = _adjacent(comments, child), []
        name = field_text(file, child, "name")
        if child.type in ("type_spec", "type_alias") and is_exported(name):
            text = f"type {_type_text(file, child)}"[:LONGEST_TEXT]
            doc = comment_text(file.source, above) or raw.doc
            yield Declaration("type", (name,), text, doc, file.name, int(child.start_point[0]) + 1)


def _type_text(file: GoFile, spec: Node) -> str:
    """Return the source of a type, without what it has that is not exported."""
    kind = spec.child_by_field_name("type")
    what = None if kind is None else _FILTERED.get(kind.type)
    whole = file.text(spec)
    if kind is None or what is None:
        return whole
    listed = kind if kind.type == "interface_type" else next(iter(kind.named_children), None)
    if listed is None:
        return whole
    kept, dropped = _members(file, listed)
    if not dropped:
        return whole
    head = file.source[spec.start_byte : kind.start_byte].decode("utf-8", "replace")
    lines = [*kept, f"\t// contains filtered or unexported {what}"]
    return "\n".join([f"{head}{kind.type.removesuffix('_type')} {{", *lines, "}"])


def _members(file: GoFile, listed: Node) -> tuple[list[str], int]:
    """Return the lines of the exported fields or methods, with their comments, and how many others there are."""
    kept: list[str] = []
    dropped = 0
    comments: list[Node] = []
    row, shown = -1, False  # of the member before: the row it ends on, and whether it is kept
    for child in listed.named_children:
        if child.type == "comment":
            if child.start_point[0] != row:
                comments.append(child)
            elif shown:
                kept[-1] += f" {file.text(child)}"
            continue
        above, comments = _adjacent(comments, child), []
        names = [file.text(name) for name in child.children_by_field_name("name")]
        seen = [name for name in names or [_embedded(file, child)] if is_exported(name)]
        row, shown = int(child.end_point[0]), bool(seen)
        dropped += len(seen) < max(1, len(names))
        if seen:
            kept += [f"\t{file.text(comment)}" for comment in above]
            kept.append(f"\t{_member_text(file, child, names, seen)}")
    return kept, dropped


def _member_text(file: GoFile, member: Node, names: Sequence[str], seen: Sequence[str]) -> str:
    text = file.text(member)
    if len(seen) == len(names) or not names:
        return text
    last = member.children_by_field_name("name")[-1]
    return ", ".join(seen) + file.source[last.end_byte : member.end_byte].decode("utf-8", "replace")


def _embedded(file: GoFile, member: Node) -> str:
    """Return the name of an embedded field, or of an interface's embedded type; a union counts as exported."""
    kind = member.child_by_field_name("type") or member
    name = file.text(kind).split("[", 1)[0].strip("*~ ").rsplit(".", 1)[-1]
    return name if name.isidentifier() and member.type == "field_declaration" else "Embedded"


def values_of(file: GoFile, raw: Raw) -> list[tuple[str, Declaration]]:
    """Return the exported constants or variables of a declaration as one, with the type that it stands with."""
    kind = raw.node.type.split("_", 1)[0]
    specs = [spec for spec in _value_specs(raw.node) if spec.type in ("const_spec", "var_spec")]
    names: list[str] = []
    types: list[str] = []
    kept, dropped, inherited = [], 0, ""
    for spec in specs:
        own = spec.child_by_field_name("type")
        if own is not None or spec.child_by_field_name("value") is not None or kind == "var":
            inherited = _base_name(file, own) if own is not None else ""
        exported = [file.text(name) for name in spec.children_by_field_name("name") if is_exported(file.text(name))]
        if not exported:
            dropped += 1
            continue
        names += exported
        types.append(inherited)
        kept.append(spec)
    if not names:
        return []
    text = _group_text(file, raw.node, kept, kind) if dropped else file.text(raw.node)
    declaration = Declaration(kind, tuple(names), text[:LONGEST_TEXT], raw.doc, file.name, raw.line)
    named = [name for name in types if name]
    is_typed = len(set(named)) == 1 and len(named) >= int(TYPED * len(types))
    return [(named[0] if is_typed else "", declaration)]


def _value_specs(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        if child.type == "var_spec_list":
            yield from _value_specs(child)
        else:
            yield child


def _group_text(file: GoFile, node: Node, kept: Sequence[Node], kind: str) -> str:
    """Return a group with these specs only, each with the comments right above and behind it."""
    wanted = {spec.start_byte for spec in kept}
    lines: list[str] = []
    comments: list[Node] = []
    row = -1
    for child in _value_specs(node):
        if child.type == "comment":
            if child.start_point[0] == row:
                lines[-1] += f" {file.text(child)}"
            else:
                comments.append(child)
            continue
        above, comments, row = _adjacent(comments, child), [], -1
        if child.start_byte in wanted:
            lines += [f"\t{file.text(comment)}" for comment in above]
            lines.append(f"\t{file.text(child)}")
            row = int(child.end_point[0])
    return "\n".join([f"{kind} (", *lines, "\t// contains filtered or unexported names", ")"])


def _adjacent(comments: Sequence[Node], node: Node) -> list[Node]:
    """Return those comments that end right above a node, without a blank line between."""
    row, kept = int(node.start_point[0]), []
    for comment in reversed(comments):
        if comment.end_point[0] + 1 != row:
            break
        kept.append(comment)
        row = int(comment.start_point[0])
    return kept[::-1]


def receiver_of(file: GoFile, node: Node) -> str:
    """Return the type that a method is of."""
    parameters = node.child_by_field_name("receiver")
    first = next(iter(parameters.named_children), None) if parameters is not None else None
    return "" if first is None else _base_name(file, first.child_by_field_name("type"))


def result_type(file: GoFile, node: Node) -> str:
    """Return the type of this package that a function has one result of; "" when it has none or more."""
    result = node.child_by_field_name("result")
    if result is None:
        return ""
    kinds = [result]
    if result.type == "parameter_list":
        kinds = [kind for each in result.named_children if (kind := each.child_by_field_name("type")) is not None]
    own = field_text(file, node, "type_parameters")
    names = [_base_name(file, _element(kind)) for kind in kinds]
    names = [name for name in names if is_exported(name) and re.search(rf"\b{name}\b", own) is None]
    return names[0] if len(names) == 1 else ""


def _element(kind: Node) -> Node:
    """Return what a slice or an array is of; any other type as it is."""
    inner = kind.child_by_field_name("element") if kind.type in ("slice_type", "array_type") else None
    return kind if inner is None else inner


def _base_name(file: GoFile, kind: Node | None) -> str:
    """Return the name of a type behind pointers, arguments and parentheses; "" for another package's."""
    while kind is not None and kind.type != "type_identifier":
        if kind.type in ("pointer_type", "parenthesized_type"):
            kind = next(iter(kind.named_children), None)
        elif kind.type == "generic_type":
            kind = kind.child_by_field_name("type")
        else:
            return ""
    return "" if kind is None else file.text(kind)


def field_text(file: GoFile, node: Node, name: str) -> str:
    """Return the source of a named child of a node, "" where it has none."""
    child = node.child_by_field_name(name)
    return "" if child is None else file.text(child)


def is_exported(name: str) -> bool:
    """Tell whether a name begins with an upper-case letter, as ast.IsExported does."""
    return name[:1].isupper()
