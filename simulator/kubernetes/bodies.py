"""Reading request bodies: JSON, YAML and protobuf, and what is wrong with their fields."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from simulator.provenance import Provenance, doubt, rule

from . import documents, protobuf, schema
from .context import Options
from .documents import UnreadableError
from .errors import Cause, bad_request, invalid_options, refuse

Json = dict[str, Any]

_LARGEST = 3 << 20
_LONGEST_QUOTE = 1000
_MOST_OPERATIONS = 10_000
_JSON, _YAML, _PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"


def media_type(request: Request) -> str:
    """The content type without its parameters; empty when the request has none."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def raw(request: Request) -> bytes:
    """The body, refused with 413 above 3 MiB; it is heard out, for a client that still sends would see no answer."""
    if "body" in request.scope:
        kept: bytes = request.scope["body"]
        return kept
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= _LARGEST:
            body += chunk
    if size > _LARGEST:
        raise refuse(413, "RequestEntityTooLarge", f"Request entity too large: limit is {_LARGEST}")
    request.scope["body"] = bytes(body)
    return bytes(body)


class _Duplicates:
    """Builds objects from JSON pairs and remembers which keys came twice."""

    def __init__(self) -> None:
        self._found: dict[int, list[str]] = {}
        self._alive: list[Json] = []

    def build(self, pairs: list[tuple[str, Any]]) -> Json:
        obj = dict(pairs)
        seen: set[str] = set()
        twice = [key for key, _ in pairs if key in seen or seen.add(key)]  # type: ignore[func-returns-value]
        if twice:
            self._found[id(obj)] = twice
            self._alive.append(obj)
        return obj

    def paths(self, value: Any, path: str = "") -> list[str]:
        """The duplicate keys below ``value``, with dots."""
        if not self._found:
            return []
        found: list[str] = []
        if isinstance(value, dict):
            found += [f"{path}.{key}".lstrip(".") for key in self._found.get(id(value), ())]
            for key, item in value.items():
                found += self.paths(item, f"{path}.{key}")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                found += self.paths(item, f"{path}[{index}]")
        return found


@rule("kubernetes", "unknown and duplicate fields", Provenance.RECORDED, "kubernetes/errors.yaml field_validation")
async def read(request: Request, kind: str, options: Options) -> Json:
    """The object in the body of a POST or PUT. Collects warnings, or refuses, as the field validation asks.

    A body without content type is JSON, which is how the Python client sends it.
    """
    data, content_type = await raw(request), media_type(request) or _JSON
    if content_type == _PROTOBUF:
        return protobuf.decode(data)
    duplicates, twice = _Duplicates(), list[str]()
    if content_type == _JSON:
        body = _from_json(data, kind, duplicates)
    elif content_type == _YAML:
        body, twice = from_yaml(data)
    else:
        accepted = f"{_JSON}, {_YAML}, {_PROTOBUF}"
        text = "the body of the request was in an unknown format - accepted media types include"
        raise refuse(415, "UnsupportedMediaType", f"{text}: {accepted}")
    problems = [f'unknown field "{path}"' for path in schema.unknown_fields(kind, body)]
    problems += [f'duplicate field "{path}"' for path in duplicates.paths(body)]
    if (twice or problems) and options.field_validation == "Strict":
        head = f'{kind} in version "v1" cannot be handled as a {kind}'
        lines = ["\n  ".join(["yaml: unmarshal errors:", *twice])] if twice else []
        raise bad_request(f"{head}: strict decoding error: {', '.join(lines + problems)}")
    if options.field_validation == "Warn":
        options.warnings.extend(twice + problems)
    return body


def _from_json(data: bytes, kind: str, duplicates: _Duplicates) -> Json:
    head = f"the object provided is unrecognized (must be of type {kind})"
    text = data.decode(errors="replace") or "<empty>"
    try:
        body = documents.from_json(data, duplicates.build)
    except UnreadableError as error:
        raise bad_request(
            f"{head}: couldn't get version/kind; json parse error: {error} ({_shortened(text)})"
        ) from None
    if not isinstance(body, dict):
        wrong = schema.json_name(body)
        why = f"json: cannot unmarshal {wrong} into Go value of type struct"
        raise bad_request(f"{head}: couldn't get version/kind; json parse error: {why} ({_shortened(text)})")
    return body


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def from_yaml(data: bytes) -> tuple[Json, list[str]]:
    """A YAML (or JSON) document that is an object, and what is said of keys that came twice in it."""
    try:
        body, twice = documents.from_yaml(data)
    except UnreadableError as error:
        raise bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if not isinstance(body, dict):
        wrong = schema.json_name(body)
        why = f"json: cannot unmarshal {wrong} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding YAML: {why}")
    return body, twice


@rule(
    "kubernetes", "an apply only warns of keys that come twice", Provenance.RECORDED, "server-side-apply.yaml request"
)
@doubt(
    "kubernetes",
    "whether an apply with fieldValidation=Strict is refused for a key that comes twice, as the server's source has it",
    "it is only warned about, as was recorded",
    "server-side-apply.yaml request.query.fieldValidation",
)
def applied(data: bytes, options: Options) -> Json:
    """The body of an apply."""
    body, twice = from_yaml(data)
    if options.field_validation != "Ignore":
        options.warnings.extend(twice)
    return body


@rule("kubernetes", "a JSON patch is a list", Provenance.REPORTED, "kube-apiserver, patch handler")
def patch(data: bytes, *, operations: bool) -> tuple[Any, list[str]]:
    """The body of a patch, a list of ``operations`` or an object, and which of its fields came twice."""
    duplicates = _Duplicates()
    try:
        body = documents.from_json(data, duplicates.build)
    except UnreadableError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    wrong = schema.json_name(body)
    if not operations:
        if isinstance(body, dict):
            return body, [f'duplicate field "{path}"' for path in duplicates.paths(body)]
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {wrong} into Go value of type map[string]interface {{}}"
        )
    if not isinstance(body, list):
        raise bad_request(f"json: cannot unmarshal {wrong} into Go value of type jsonpatch.Patch")
    for item in body:
        if not isinstance(item, dict):
            wrong = schema.json_name(item)
            raise bad_request(f"json: cannot unmarshal {wrong} into Go value of type jsonpatch.Operation")
    if len(body) > _MOST_OPERATIONS:
        why = f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(body)}"
        raise refuse(413, "RequestEntityTooLarge", why)
    return body, []


_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_LONGEST_MANAGER = 128


def options_of(request: Request, kind: str) -> Options:
    """The options of a write from its query. ``kind`` is CreateOptions, UpdateOptions or PatchOptions."""
    query = request.query_params
    dry_run = query.getlist("dryRun")
    if any(value not in ("", "All") for value in dry_run):
        given = json.dumps(dry_run, separators=(",", ":"))
        raise invalid_options(kind, Cause.unsupported("dryRun", given, ("All",)))
    validation = query.get("fieldValidation", "")
    if validation not in _VALIDATIONS:
        raise invalid_options(kind, Cause.unsupported("fieldValidation", f'"{validation}"', _VALIDATIONS))
    manager = query.get("fieldManager") or _default_manager(request)
    if len(manager) > _LONGEST_MANAGER:
        why = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        raise invalid_options(kind, Cause("fieldManager", "FieldValueTooLong", why))
    return Options(
        manager=manager,
        dry_run="All" in dry_run,
        force=query.get("force") in ("true", "1"),
        field_validation=validation or "Warn",
        asked_validation=validation,
    )


@rule("kubernetes", "the manager without fieldManager", Provenance.RECORDED, "server-side-apply.yaml manager_default")
def _default_manager(request: Request) -> str:
    return request.headers.get("User-Agent", "").partition("/")[0] or "unknown"
