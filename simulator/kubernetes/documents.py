"""Reading JSON and YAML that anybody may have sent: what cannot be read is one kind of error, whatever is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import yaml

from simulator.provenance import Provenance, doubt, rule

Json = dict[str, Any]
Hook = Callable[[list[tuple[str, Any]]], Json]

_DEEPEST = 128
_SURROGATE = re.compile("[\ud800-\udfff]")
_YAML_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class UnreadableError(ValueError):
    """The document cannot be read. The text says why in the words of the API server's decoder."""


def from_json(data: bytes, hook: Hook = dict) -> Any:
    """The value of a JSON document; ``hook`` makes objects of their pairs. Bytes that are not UTF-8 are replaced."""
    try:
        value = json.loads(data.decode(errors="replace"), object_pairs_hook=hook, parse_constant=_no_constant)
    except RecursionError:
        raise UnreadableError("exceeded max depth") from None
    except json.JSONDecodeError as error:
        raise UnreadableError(_complaint(error)) from None
    except ValueError as error:
        raise UnreadableError(f"invalid number: {error}") from None
    return _checked(value)


def _no_constant(word: str) -> Any:
    raise UnreadableError(f"invalid character '{word.lstrip('-')[0]}' looking for beginning of value")


def _complaint(error: json.JSONDecodeError) -> str:
    """What Go's decoder says of broken JSON: as far as that can be known, that it ended early."""
    if error.pos < len(error.doc.rstrip()):
        return f"invalid character '{error.doc[error.pos]}' looking for beginning of value"
    return "unexpected end of JSON input"


class _Loader(yaml.SafeLoader):
    """Reads what JSON knows: an instant is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != _YAML_TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def from_yaml(data: bytes) -> Any:
    """The value of a YAML (or JSON) document, as JSON would have it."""
    try:
        value = yaml.load(data.decode(errors="replace"), _Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise UnreadableError("exceeded max depth") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UnreadableError(f"yaml: line {line}: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:
        raise UnreadableError(f"yaml: {error}") from None
    return _checked(value, most=len(data) + 1)


@rule("kubernetes", "documents have a limit of depth", Provenance.ASSUMED, "the decoder's own limit is 10,000")
@rule("kubernetes", "a YAML of too many aliases is refused", Provenance.ASSUMED, "the decoder guards against it")
@doubt(
    "kubernetes",
    "what the API server says of a document that is nested too deeply",
    f"400 from {_DEEPEST} levels on, deeper than any object is; the real limit is far beyond",
    "not recorded",
)
def _checked(value: Any, most: float = math.inf) -> Any:
    """The value, which must not be nested too deeply, nor have more parts than a document of its size can."""
    budget = [most]

    def check(part: Any, depth: int) -> Any:
        budget[0] -= 1
        if depth > _DEEPEST:
            raise UnreadableError("exceeded max depth")
        if budget[0] < 0:
            raise UnreadableError("yaml: document contains excessive aliasing")
        if isinstance(part, dict):
            for key in list(part):
                item = check(part[key], depth + 1)
                if (text := _key(key)) != key:
                    del part[key]
                part[text] = item
            return part
        if isinstance(part, list):
            part[:] = [check(item, depth + 1) for item in part]
            return part
        return _scalar(part)

    return check(value, 0)


def _key(key: Any) -> str:
    """A key of a YAML mapping as the key of a JSON object."""
    if isinstance(key, str):
        return _SURROGATE.sub("\ufffd", key)
    if isinstance(key, bool | int | float):
        return str(key).lower()
    raise UnreadableError(f"unsupported map key of type {type(key).__name__}")


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise UnreadableError(f"unsupported value: {value}")
