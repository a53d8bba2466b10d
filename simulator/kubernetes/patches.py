"""Patches: JSON merge, JSON patch, and Kubernetes' strategic merge."""

from __future__ import annotations

import json
from typing import Any

import jsonpatch
import jsonpointer

from simulator.copying import copied
from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import schema
from .errors import bad_request, refuse

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

_ORDER, _PRIMITIVES, _RETAIN, _DIRECTIVE = "$setElementOrder/", "$deleteFromPrimitiveList/", "$retainKeys", "$patch"


def patched(content_type: str, kind: str, obj: Json, patch: Any) -> Json:
    """``obj`` after the patch, which is of one of the media types above except apply. ``obj`` is not changed."""
    if content_type == JSON_PATCH:
        return _json_patched(obj, patch)
    if content_type == MERGE:
        merged: Json = merge(obj, patch)
        return merged
    return strategic(schema.root(kind), obj, patch)


@rule("kubernetes", "a bad patch is shown", Provenance.RECORDED, "errors.yaml fieldValidation-Strict-mergepatch, -smp")
@doubt(
    "kubernetes",
    "in which order the inner maps are shown that a JSON patch touched",
    "in their own; only the outermost is sorted",
    "errors.yaml has no such case of a JSON patch",
)
def described(content_type: str, patch: Any, patched: Json) -> str:
    """What messages about a patch quote: a strategic patch itself, in Go's words, else the JSON of its result."""
    if content_type == STRATEGIC:
        return _quoted(_in_go(patch))
    return _quoted(json.dumps(_sorted(patched, patch), ensure_ascii=False, separators=(",", ":")))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _sorted(value: Any, patch: Any) -> Any:
    """``value`` with the maps sorted that the patch goes into."""
    inner = patch if isinstance(patch, dict) else {}
    return {
        name: _sorted(value[name], inner[name])
        if isinstance(value[name], dict) and isinstance(inner.get(name), dict)
        else value[name]
        for name in sorted(value)
    }


def _in_go(value: Any) -> str:
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_in_go(value[name])}' for name in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_in_go, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


@rule("kubernetes", "JSON patch: replace of a missing key adds", Provenance.RECORDED, "errors.yaml not_errors")
def _json_patched(obj: Json, operations: Any) -> Json:
    try:
        document: Any = copied(obj)
        for operation in operations:
            document = jsonpatch.apply_patch(document, [_forgiving(document, operation)])
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError):
        raise _rejected() from None
    if not isinstance(document, dict):
        raise _rejected()
    return document


def _rejected() -> Refusal:
    return refuse(422, "Invalid", "the server rejected our request due to an error in our request", {})


@rule("kubernetes", "a strategic patch of the wrong form", Provenance.ASSUMED, "the merge's own errors are 400")
def _malformed(name: str) -> Refusal:
    return bad_request(f"invalid strategic merge patch: {name} has a value of the wrong type")


def _forgiving(document: Any, operation: Json) -> Json:
    """A replace of a map key that is not there counts as an add."""
    if operation.get("op") != "replace":
        return operation
    pointer = jsonpointer.JsonPointer(operation["path"])
    parent, last = pointer.to_last(document)
    missing = isinstance(parent, dict) and last not in parent
    return operation | {"op": "add"} if missing else operation


@rule("kubernetes", "strategic merge patch", Provenance.RECORDED, "server-side-apply.yaml other_patch_types")
def strategic(type_name: str, target: Any, patch: Json) -> Json:
    """A strategic merge of a structure: as a JSON merge, but lists with a merge key merge item by item."""
    if patch.get(_DIRECTIVE) == "replace":
        return {name: value for name, value in patch.items() if name != _DIRECTIVE}
    result = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        _must_be(list, patch, _RETAIN)
        result = {name: value for name, value in result.items() if name in patch[_RETAIN]}
    for name, value in patch.items():
        if name.startswith("$"):
            _directive(type_name, result, name, value, patch)
        elif value is None:
            result.pop(name, None)
        else:
            order = patch.get(_ORDER + name)
            result[name] = _merged_field(type_name, name, result.get(name), value, order)
    return result


def _directive(type_name: str, result: Json, name: str, value: Any, patch: Json) -> None:
    if name.startswith((_PRIMITIVES, _ORDER)):
        _must_be(list, patch, name)
    if name.startswith(_PRIMITIVES):
        field = name.removeprefix(_PRIMITIVES)
        result[field] = [item for item in result.get(field) or () if item not in value]
    elif name.startswith(_ORDER):
        field = name.removeprefix(_ORDER)
        if field not in patch and isinstance(result.get(field), list):
            result[field] = _merged_field(type_name, field, result[field], [], value)


def _must_be(kind: type, patch: Json, name: str) -> None:
    if not isinstance(patch[name], kind):
        raise _malformed(name)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int)


def _merged_field(type_name: str, name: str, target: Any, value: Any, order: list[Any] | None) -> Any:
    field_type = schema.field_type(type_name, name) if schema.is_structure(type_name) else schema.element(type_name)
    if field_type is None or (target is None and not isinstance(value, dict | list)):
        return copied(value)
    if isinstance(value, dict) and (schema.is_structure(field_type) or field_type[0] == "{"):
        return strategic(field_type, target, value)
    if isinstance(value, list):
        if (type_name, name) in schema.SETS:
            if not all(isinstance(item, str) for item in value):
                raise _malformed(name)
            return _ordered(target or [], [*dict.fromkeys(value)], order)
        if keys := schema.LIST_KEYS.get((type_name, name)):
            if not all(isinstance(item, dict) and _is_plain(item.get(keys[0])) for item in value):
                raise _malformed(name)
            return _merged_list(schema.element(field_type), keys[0], target or [], value, order)
    return merge(target, value)


def _merged_list(
    item_type: str, key: str, target: list[Json], patch: list[Json], order: list[Any] | None
) -> list[Json]:
    if any(item.get(_DIRECTIVE) == "replace" and len(item) == 1 for item in patch):
        return [item for item in patch if _DIRECTIVE not in item]
    doomed = {item.get(key) for item in patch if item.get(_DIRECTIVE) == "delete"}
    before = {item.get(key): item for item in target if item.get(key) not in doomed}
    changed = {}
    for item in patch:
        if item.get(_DIRECTIVE) != "delete":
            changed[item.get(key)] = strategic(item_type, before.get(item.get(key)), item)
    if order is not None and not isinstance(order, list):
        raise _malformed(key)
    keys = None if order is None else [item.get(key) if isinstance(item, dict) else item for item in order]
    merged = before | changed
    names = _ordered(list(before), list(changed), keys)
    return [merged[name] for name in names]


def _ordered(before: list[Any], patch: list[Any], order: list[Any] | None) -> list[Any]:
    """Items of the patch in its order (or the one it asks for), the server's own ones put where they stood.

    An item that only one side knows goes to the front of what it cannot be compared with.
    """
    wanted = order if order is not None else patch
    known = [*before, *(item for item in patch if item not in before)]
    right = [item for item in wanted if item in known]
    left = [item for item in known if item not in right]
    position = {item: index for index, item in enumerate(before)}
    result: list[Any] = []
    while left and right:
        here, there = position.get(left[0]), position.get(right[0])
        first_left = here is not None and there is not None and here < there
        result.append(left.pop(0) if first_left else right.pop(0))
    return result + left + right
