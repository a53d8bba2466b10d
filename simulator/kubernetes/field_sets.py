"""Sets of fields of an object, and the operations on objects that server-side apply does with them.

A path is a tuple of the path elements of ``fieldsV1``: ``f:name`` a field, ``k:{...}`` an item of a keyed list,
``v:...`` an item of a set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.provenance import Provenance, rule

from . import schema

Json = dict[str, Any]
Path = tuple[str, ...]
FieldSet = frozenset[Path]
EMPTY: FieldSet = frozenset()
_MISSING: Any = object()


class UndeclaredError(Exception):
    """A field that its kind does not have, or a list with the same item twice; the text says which."""


@dataclass(frozen=True)
class Shape:
    """How a value is divided: ``structure``, ``map``, ``keyed`` list, ``set``, or not at all (``leaf``)."""

    form: str
    type: str
    keys: tuple[str, ...] = ()

    @classmethod
    def of_kind(cls, kind: str) -> Shape:
        """The shape of a whole object."""
        return cls("structure", schema.root(kind))

    @classmethod
    def _of_type(cls, type_name: str) -> Shape:
        if type_name[0] == "{":
            return cls("map", type_name)
        if schema.is_structure(type_name) and type_name not in schema.ATOMIC_TYPES:
            return cls("structure", type_name)
        return cls("leaf", type_name)

    def below(self, element: str) -> Shape:
        """The shape of what a path element leads to. KeyError for a field that the structure does not have."""
        if self.form != "structure":
            return Shape._of_type(schema.element(self.type))
        name = element.removeprefix("f:")
        type_name = schema.field_type(self.type, name)
        if type_name is None:
            raise KeyError(name)
        position = (self.type, name)
        if position in schema.LIST_KEYS:
            return Shape("keyed", type_name, schema.LIST_KEYS[position])
        if position in schema.SETS:
            return Shape("set", type_name)
        if position in schema.ATOMIC_MAPS or type_name[0] == "[":
            return Shape("leaf", type_name)
        return Shape._of_type(type_name)

    def children(self, value: Any) -> Iterator[tuple[str, Any]]:
        """Path elements and values directly inside ``value``."""
        if self.form in ("structure", "map"):
            for name, item in (value or {}).items():
                yield f"f:{name}", item
        elif self.form == "keyed":
            for item in value or ():
                yield self._key(item), item
        elif self.form == "set":
            for item in value or ():
                yield f"v:{_compact(item)}", item

    def _key(self, item: Json) -> str:
        key = {name: item.get(name, schema.KEY_DEFAULTS.get(name)) for name in self.keys}
        return f"k:{_compact({name: value for name, value in sorted(key.items()) if value is not None})}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def readable(path: Path) -> str:
    """The path as error messages write it: ``.spec.containers[name="c"].image``."""
    text = ""
    for element in path:
        kind, body = element.split(":", 1)
        if kind == "f":
            text += f".{body}"
        elif kind == "k":
            text += "[" + ",".join(f"{name}={_compact(value)}" for name, value in json.loads(body).items()) + "]"
        else:
            text += f"[={body}]"
    return text


def of_object(kind: str, obj: Json) -> FieldSet:
    """All fields that an object sets. Raises :class:`UndeclaredError` for what the kind does not have."""
    found: set[Path] = set()
    _collect(Shape.of_kind(kind), obj, (), found)
    return frozenset(found)


def _collect(shape: Shape, value: Any, path: Path, found: set[Path]) -> None:
    if shape.form == "leaf":
        found.add(path)
        return
    seen: set[str] = set()
    if shape.form == "keyed":
        _check_items(shape, value, path)
    for element, item in shape.children(value):
        below = (*path, element)
        if element in seen:
            raise UndeclaredError(f"{readable(path)}: duplicate entries for key {readable((element,))}")
        seen.add(element)
        try:
            child = shape.below(element)
        except KeyError:
            raise UndeclaredError(f"{readable(below)}: field not declared in schema") from None
        _collect(child, item, below, found)
        if shape.form != "structure" or item is None or item == {}:
            found.add(below)


@rule("kubernetes", "items of a list by key have it", Provenance.REPORTED, "structured-merge-diff, typed lists")
def _check_items(shape: Shape, value: Any, path: Path) -> None:
    for index, item in enumerate(value or ()):
        here = f"{readable(path)}: element {index}: associative list with keys"
        if not isinstance(item, dict):
            raise UndeclaredError(f"{here} may not have non-map elements")
        for key in shape.keys:
            if item.get(key, schema.KEY_DEFAULTS.get(key)) is None:
                why = f'has an element that omits key field "{key}" (and doesn\'t have default value)'
                raise UndeclaredError(f"{here} {why}")


@dataclass
class Comparison:
    """The fields in which a new object differs from an old one."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)


def compare(kind: str, old: Json, new: Json) -> Comparison:
    """What was added, modified and removed from ``old`` to ``new``."""
    result = Comparison()
    _compare(Shape.of_kind(kind), old, new, (), result)
    return result


def _compare(shape: Shape, old: Any, new: Any, path: Path, result: Comparison) -> None:
    nothing: tuple[Any, ...] = (_MISSING, None, {}, [])
    if shape.form == "leaf" or (old in nothing and new in nothing):
        _note(old, new, path, result)
        return
    before = dict(shape.children(None if old is _MISSING else old))
    after = dict(shape.children(None if new is _MISSING else new))
    for element in before | after:
        try:
            child = shape.below(element)
        except KeyError:
            child = Shape("leaf", "any")
        _compare(child, before.get(element, _MISSING), after.get(element, _MISSING), (*path, element), result)
    if path and (old is _MISSING or new is _MISSING):
        _note(old, new, path, result)


def _note(old: Any, new: Any, path: Path, result: Comparison) -> None:
    if old is _MISSING:
        result.added.add(path)
    elif new is _MISSING:
        result.removed.add(path)
    elif old != new:
        result.modified.add(path)


def merge(kind: str, live: Json, config: Json) -> Json:
    """``live`` with everything that ``config`` sets: granular maps and keyed lists item by item, the rest whole."""
    merged: Json = _merge(Shape.of_kind(kind), live, config)
    return merged


def _merge(shape: Shape, live: Any, config: Any) -> Any:
    if shape.form == "leaf" or live is None or config is None:
        return config
    if shape.form in ("structure", "map"):
        result = dict(live)
        for name, item in config.items():
            result[name] = _merge(shape.below(f"f:{name}"), live[name], item) if name in live else item
        return result
    before, after = dict(shape.children(live)), dict(shape.children(config))
    return [
        _merge(shape.below(element), before[element], after[element])
        if element in before and element in after
        else (after[element] if element in after else before[element])
        for element in _interleaved(list(before), list(after))
    ]


def _interleaved(before: list[str], after: list[str]) -> list[str]:
    """Items of both: those of ``after`` in its order, the others where they stood."""
    order: list[str] = []
    old, new = before.copy(), after.copy()
    known, wanted = set(before), set(after)
    while old or new:
        if old and old[0] not in wanted:
            order.append(old.pop(0))
        elif new and new[0] not in known:
            order.append(new.pop(0))
        else:
            if new:
                order.append(new.pop(0))
            if old:
                old.pop(0)
    return order


def remove(kind: str, obj: Json, paths: Iterable[Path]) -> Json:
    """``obj`` without the fields and list items in ``paths``; what becomes empty by that goes, too."""
    rest: Json | None = _remove(Shape.of_kind(kind), obj, encode(frozenset(paths)))
    return rest or {}


def _remove(shape: Shape, value: Any, tree: Json) -> Any:
    if shape.form == "leaf" or not value or not tree:
        return value
    kept: list[tuple[str, Any]] = []
    for element, item in shape.children(value):
        node = tree.get(element)
        if node is None:
            kept.append((element, item))
        elif node and "." not in node:
            rest = _remove(shape.below(element), item, node)
            if rest is not None:
                kept.append((element, rest))
    if not kept:
        return None
    if shape.form in ("structure", "map"):
        return {element.removeprefix("f:"): item for element, item in kept}
    return [item for _, item in kept]


def with_named_parents(kind: str, paths: FieldSet) -> FieldSet:
    """The set plus the declared fields that lie on the way to its members."""
    result = set(paths)
    for path in paths:
        shape = Shape.of_kind(kind)
        for depth, element in enumerate(path[:-1], start=1):
            if shape.form == "structure":
                result.add(path[:depth])
            try:
                shape = shape.below(element)
            except KeyError:
                break
    return frozenset(result)


def encode(paths: FieldSet) -> Json:
    """The set as ``fieldsV1``."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for element in path[:-1]:
            node = node.setdefault(element, {})
        node.setdefault(path[-1], {})
    for path in paths:
        node = tree
        for element in path:
            node = node[element]
        if node and "." not in node:
            node["."] = {}
    return _dots_first(tree)


def _dots_first(node: Json) -> Json:
    return {element: _dots_first(node[element]) for element in sorted(node)}


def is_encoded(tree: Any) -> bool:
    """Whether something is a ``fieldsV1``: nested objects, whose keys are path elements."""
    return isinstance(tree, dict) and all(
        (element == "." or _is_element(element)) and is_encoded(node) for element, node in tree.items()
    )


def _is_element(text: str) -> bool:
    kind, colon, body = text.partition(":")
    if not colon or kind not in ("f", "i", "k", "v"):
        return False
    if kind == "f":
        return True
    try:
        return isinstance(json.loads(body), dict) or kind != "k"
    except ValueError:
        return False


def decode(tree: Json, prefix: Path = ()) -> FieldSet:
    """The set that a ``fieldsV1`` stands for."""
    found: set[Path] = set()
    for element, node in tree.items():
        if element == ".":
            found.add(prefix)
        elif not node:
            found.add((*prefix, element))
        else:
            found |= decode(node, (*prefix, element))
    return frozenset(found)
