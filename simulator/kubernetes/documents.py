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
_EXPECTED = re.compile(r"^expected (?:the )?(.+?), but (?:found|got) .*$", re.DOTALL)
_YAML_MERGE = "tag:yaml.org,2002:merge"
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
    """Reads what JSON knows: an instant is a text. Remembers the keys that came twice, by line."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.twice: list[tuple[int, str]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _YAML_MERGE:
                name = (key.tag, key.value)
                if name in seen:
                    self.twice.append((value.start_mark.line + 1, key.value))
                seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != _YAML_TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@rule("kubernetes", "what is wrong with YAML", Provenance.RECORDED, "server-side-apply.yaml body_checks")
def _in_gos_words(problem: str) -> str:
    """What the API server's parser says where ours expected something else."""
    return _EXPECTED.sub(r"did not find expected \1", problem)


@rule("kubernetes", "YAML: of a key that comes twice the last one counts", Provenance.RECORDED, "errors.yaml rules")
@rule("kubernetes", "YAML: how a key that comes twice is told", Provenance.REPORTED, "kube-apiserver, strict decoding")
def from_yaml(data: bytes) -> tuple[Any, list[str]]:
    """The value of a YAML (or JSON) document, as JSON would have it; and what is said of keys that came twice."""
    try:
        loader = _Loader(data.decode(errors="replace"))
        value = loader.get_single_data()
    except RecursionError:
        raise UnreadableError("exceeded max depth") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = _in_gos_words(getattr(error, "problem", None) or str(error))
        raise UnreadableError(f"yaml: line {line}: {problem}") from None
    except ValueError as error:
        raise UnreadableError(f"yaml: {error}") from None
    twice = [f"line {line}: key {json.dumps(key)} already set in map" for line, key in sorted(loader.twice)]
    return _checked(value, most=len(data) + 1), twice


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
