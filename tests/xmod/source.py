"""golang.org/x/mod's own tests as data: its module zip, the tables in its Go test files, its txtar cases.

The rules of content are twins of that module, so its tests are a conformance suite. They come at test time through the
user's own GOPROXY, at a pinned version with a pinned hash; the tables are read with tree-sitter, no Go code runs.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter_go
from tree_sitter import Language, Node, Parser

from gopherwood import gotext
from gopherwood.toolchain import find_go

PATH, VERSION = "golang.org/x/mod", "v0.42.0"
H1 = "h1:ICeL3t2L30ljSPHHxDnR4fqVcBt/zR2zJAb9juavmQg="

_ZEROS = {"string": "", "bool": False, "int": 0, "int64": 0, "uint32": 0}


class Expr(str):
    """The source text of a Go expression that is no literal: a call, a name, a conversion."""

    __slots__ = ()


@cache
def download() -> dict[str, str]:
    """Return what `go mod download -json` says of x/mod: Dir, Zip, Info, GoMod … (files of the user's module cache)."""
    command = [str(find_go()), "mod", "download", "-json", f"{PATH}@{VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, str] = json.loads(done.stdout)
    assert answer["Sum"] == H1
    return answer


def folder() -> Path:
    """Return the folder of the unpacked module."""
    return Path(download()["Dir"])


@dataclass(frozen=True)
class Txtar:
    """A txtar archive: a comment, then files."""

    comment: str
    files: list[tuple[str, bytes]]

    @property
    def settings(self) -> dict[str, str]:
        """The "key=value" lines of the comment."""
        lines = (line.partition("#")[0] for line in self.comment.splitlines())
        return {key.strip(): value.strip() for key, found, value in (line.partition("=") for line in lines) if found}


def txtar(path: Path) -> Txtar:
    """Parse a txtar file."""
    parts: list[tuple[str, bytes]] = [("", b"")]
    for line in path.read_bytes().splitlines(keepends=True):
        text = line.rstrip(b"\r\n")
        if text.startswith(b"-- ") and text.endswith(b" --") and len(text) > 6:
            parts.append((gotext.from_bytes(text[3:-3].strip()), b""))
        else:
            parts[-1] = (parts[-1][0], parts[-1][1] + line)
    return Txtar(gotext.from_bytes(parts[0][1]), parts[1:])


def go_table(file: str, name: str, nth: int = 0) -> list[Any]:
    """Return the rows of the table `name` in a Go file of x/mod.

    `name` is a variable, or a function whose nth slice, array or map literal is meant. Rows of structs become dicts,
    with Go's zero values (None for types not known here) for fields left out; key/value rows become pairs. Expressions
    that are no literals become `Expr`.
    """
    source = (folder() / file).read_bytes()
    found = [node for node in _walk(_parse(source)) if _is_named(node, name)]
    assert found, f"no {name} in {file}"
    literal = [node for node in _walk(found[0]) if _is_table(node)][nth]
    body, kind = literal.child_by_field_name("body"), literal.child_by_field_name("type")
    assert body is not None
    assert kind is not None
    element = _resolve(kind.child_by_field_name("element") or kind.child_by_field_name("value"))
    return [_element(child, element) for child in body.named_children if child.type != "comment"]


@cache
def _parse(source: bytes) -> Node:
    return Parser(Language(tree_sitter_go.language())).parse(source).root_node


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.named_children:
        yield from _walk(child)


def _is_named(node: Node, name: str) -> bool:
    if node.type not in ("var_spec", "function_declaration"):
        return False
    named = node.child_by_field_name("name")
    return named is not None and _text(named) == name


def _is_table(node: Node) -> bool:
    kind = node.child_by_field_name("type") if node.type == "composite_literal" else None
    return kind is not None and kind.type in ("slice_type", "array_type", "implicit_length_array_type", "map_type")


def _resolve(kind: Node | None) -> Node | None:
    """Return the definition of a type that the same file names, other types as they are."""
    if kind is None or kind.type != "type_identifier":
        return kind
    root = kind
    while root.parent is not None:
        root = root.parent
    for spec in _walk(root):
        if spec.type == "type_spec" and spec.child_by_field_name("name").text == kind.text:  # type: ignore[union-attr]
            return spec.child_by_field_name("type")
    return kind


def _text(node: Node) -> str:
    return gotext.from_bytes(node.text or b"")


def _element(node: Node, kind: Node | None) -> Any:
    if node.type == "keyed_element":  # of a map, or of an array with indices
        key, value = (child for child in node.named_children if child.type != "comment")
        return _element(key, None), _element(value, kind)
    if node.type == "literal_element":
        return _element(node.named_children[0], kind)
    if node.type == "literal_value":
        return _struct(node, _fields(kind)) if kind is not None and kind.type == "struct_type" else _list(node, kind)
    return _value(node)


def _list(node: Node, kind: Node | None) -> list[Any]:
    element = _resolve(kind.child_by_field_name("element")) if kind is not None else None
    return [_element(child, element) for child in node.named_children if child.type != "comment"]


def _fields(struct: Node) -> list[tuple[str, Node]]:
    declared = [node for node in _walk(struct) if node.type == "field_declaration"]
    fields = []
    for declaration in declared:
        kind = declaration.child_by_field_name("type")
        assert kind is not None
        fields += [(_text(name), kind) for name in declaration.children_by_field_name("name")]
    return fields


def _struct(node: Node, fields: list[tuple[str, Node]]) -> dict[str, Any]:
    row = {name: _ZEROS.get(_text(kind)) for name, kind in fields}
    kinds = dict(fields)
    children = [child for child in node.named_children if child.type != "comment"]
    if children and children[0].type == "keyed_element":
        for child in children:
            key, value = (part for part in child.named_children if part.type != "comment")
            row[_text(key)] = _element(value, kinds[_text(key)])
        return row
    return row | {name: _element(child, kind) for (name, kind), child in zip(fields, children, strict=True)}


def _value(node: Node) -> Any:
    reader = _READERS.get(node.type)
    return reader(node) if reader else Expr(_text(node))


def _sum(node: Node) -> Any:
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    assert left is not None
    assert right is not None
    values = _value(left), _value(right)
    if any(isinstance(value, Expr) for value in values) or not all(isinstance(value, str) for value in values):
        return Expr(_text(node))
    return "".join(values)


def _conversion(node: Node) -> Any:
    kind, operand = node.child_by_field_name("type"), node.child_by_field_name("operand")
    assert kind is not None
    assert operand is not None
    return _value(operand) if _text(kind) == "[]byte" else Expr(_text(node))


def _composite(node: Node) -> Any:
    body, kind = node.child_by_field_name("body"), node.child_by_field_name("type")
    assert body is not None
    return _element(body, _resolve(kind))


_READERS: dict[str, Callable[[Node], Any]] = {
    "interpreted_string_literal": lambda node: gotext.unquote(_text(node)),
    "raw_string_literal": lambda node: gotext.unquote(_text(node)),
    "int_literal": lambda node: int(_text(node), 0),
    "true": lambda _: True,
    "false": lambda _: False,
    "nil": lambda _: None,
    "binary_expression": _sum,
    "parenthesized_expression": lambda node: _value(node.named_children[0]),
    "composite_literal": _composite,
    "type_conversion_expression": _conversion,
}
