"""The files of one folder as documentation: constants, variables, functions, and types with what belongs to them.

A function that returns a type of the package, and constants and variables of one, stand with that type, as go/doc has
them; a method stands with its receiver.

Authority: go/doc (reader.go) of the Go standard library.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from gopherwood.gosource.declarations import (
    Declaration,
    callable_of,
    field_text,
    is_exported,
    receiver_of,
    result_type,
    types_of,
    values_of,
)
from gopherwood.gosource.examples import Example, examples_of
from gopherwood.gosource.parse import GoFile, Raw
from gopherwood.gosource.synopsis import synopsis


@dataclass(frozen=True, slots=True)
class TypeDoc:
    """A type with what stands with it."""

    declaration: Declaration
    values: tuple[Declaration, ...] = ()
    """Constants and variables."""
    functions: tuple[Declaration, ...] = ()
    methods: tuple[Declaration, ...] = ()


@dataclass(frozen=True, slots=True)
class GoPackage:
    """A package, documented."""

    name: str
    doc: str
    synopsis: str
    imports: tuple[str, ...]
    values: tuple[Declaration, ...] = ()
    functions: tuple[Declaration, ...] = ()
    types: tuple[TypeDoc, ...] = ()
    examples: tuple[Example, ...] = ()
    broken: tuple[str, ...] = ()
    """Files of which some part could not be read."""

    def symbols(self) -> Iterator[tuple[str, Declaration]]:
        """Yield every exported name with where it is declared; a method as T.M."""
        for declaration in (*self.values, *self.functions):
            yield from ((name, declaration) for name in declaration.names)
        for each in self.types:
            name = each.declaration.names[0]
            yield name, each.declaration
            for declaration in (*each.values, *each.functions):
                yield from ((other, declaration) for other in declaration.names)
            yield from ((f"{name}.{method.names[0]}", method) for method in each.methods)


@dataclass(slots=True)
class _Found:
    """What the files declare, before it is put in order."""

    values: list[tuple[str, Declaration]] = field(default_factory=list)
    functions: list[tuple[str, Declaration]] = field(default_factory=list)
    methods: list[tuple[str, Declaration]] = field(default_factory=list)
    types: dict[str, Declaration] = field(default_factory=dict)


def assemble(files: Sequence[GoFile]) -> GoPackage:
    """Make the documentation of a package from its files, tests included: they have the examples."""
    sources = [file for file in sorted(files, key=lambda each: each.name) if not file.is_test]
    found = _Found()
    for file in sources:
        for raw in file.declarations:
            _declare(file, raw, found)
    doc = "\n\n".join(file.doc for file in sources if file.doc)
    imports = sorted({path for file in sources for path in file.imports if path != "C"})
    made = GoPackage(
        name=sources[0].package if sources else "",
        doc=doc,
        synopsis=next(filter(None, (synopsis(file.doc) for file in sources)), ""),
        imports=tuple(imports),
        broken=tuple(file.name for file in files if file.broken),
    )
    made = _in_order(made, found)
    known = {name for name, declaration in made.symbols() if declaration.kind in ("func", "type", "method")} | {""}
    tests = [file for file in files if file.is_test]
    return replace(made, examples=tuple(example for file in tests for example in examples_of(file, known)))


def _in_order(made: GoPackage, found: _Found) -> GoPackage:
    known = found.types.keys()
    types = []
    for name in sorted(known):
        values, functions, methods = (
            tuple(each for owner, each in kind if owner == name)
            for kind in (found.values, found.functions, found.methods)
        )
        types.append(TypeDoc(found.types[name], values, _by_name(functions), _by_name(methods)))
    return replace(
        made,
        values=tuple(each for owner, each in found.values if owner not in known),
        functions=_by_name(each for owner, each in found.functions if owner not in known),
        types=tuple(types),
    )


def _by_name(declarations: Iterable[Declaration]) -> tuple[Declaration, ...]:
    return tuple(sorted(declarations, key=lambda each: each.names))


def _declare(file: GoFile, raw: Raw, found: _Found) -> None:
    node = raw.node
    if node.type == "function_declaration":
        name = field_text(file, node, "name")
        if is_exported(name):
            found.functions.append((result_type(file, node), callable_of(file, raw, "func", name)))
    elif node.type == "method_declaration":
        name, receiver = field_text(file, node, "name"), receiver_of(file, node)
        if is_exported(name) and is_exported(receiver):
            found.methods.append((receiver, callable_of(file, raw, "method", name)))
    elif node.type == "type_declaration":
        for declaration in types_of(file, raw):
            found.types.setdefault(declaration.names[0], declaration)
    elif node.type in ("const_declaration", "var_declaration"):
        found.values += values_of(file, raw)
