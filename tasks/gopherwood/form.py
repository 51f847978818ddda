"""Whether a JSON value has the form that a schema of ours says: the words of JSON Schema that those are written in.

A library for all of JSON Schema would weigh more than what it is used for here; tests hold these few words to one.
"""

import re
from collections.abc import Mapping
from typing import Any

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
}
_NUMBERS = frozenset({"integer", "number"})
Schema = Mapping[str, Any]


def contradiction(value: Any, schema: Schema, where: str, root: Schema | None = None) -> str:
    """Return in which way a value, called `where`, is not what a schema says; "" when it is."""
    root = schema if root is None else root
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "const" in schema or "enum" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        fits = any(type(value) is type(each) and value == each for each in allowed)
        return "" if fits else f"{where} is {value!r}, and must be {' or '.join(map(repr, allowed))}"
    kind = schema["type"]
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind in _NUMBERS):
        return f"{where} is no {kind}"
    if isinstance(value, int | float):
        least, most = schema.get("minimum", value), schema.get("maximum", value)
        return "" if least <= value <= most else f"{where} is {value}"
    if isinstance(value, str):
        fits = len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value) is not None
        return "" if fits else f"{where} is {value[:80]!r}"
    return (_in_list if isinstance(value, list) else _in_object)(value, schema, where, root)


def _in_list(value: Any, schema: Schema, where: str, root: Schema) -> str:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return f"{where} has {len(value)} items"
    said = (contradiction(each, schema["items"], f"{where}: item {n}", root) for n, each in enumerate(value, 1))
    return next(filter(None, said), "") if "items" in schema else ""


def _in_object(value: Any, schema: Schema, where: str, root: Schema) -> str:
    if missing := set(schema.get("required", ())) - set(value):
        return f"{where} has no {', '.join(sorted(missing))}"
    named = schema.get("properties", {})
    for key, item in value.items():
        of = named.get(key, schema.get("additionalProperties", True))
        if of is False:
            return f"{where} has {key}, which nobody knows"
        if of is not True and (problem := contradiction(item, of, f"{where}: {key}", root)):
            return problem
    return ""
