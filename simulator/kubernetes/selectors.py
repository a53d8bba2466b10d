"""Label and field selectors: of list and watch requests, of workloads, of webhooks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.provenance import Provenance, doubt, rule

from . import validation_names as names
from .errors import bad_request
from .resources import Resource

Json = dict[str, Any]
Labels = Mapping[str, str]
Predicate = Callable[[Json], bool]

_TOKEN = re.compile(r"\s*(!=|==|=|!|\(|\)|,|>|<|[^\s!=(),<>]+)")


@dataclass(frozen=True)
class Requirement:
    """One condition on labels. ``operator`` is In, NotIn, Exists or DoesNotExist."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Labels) -> bool:
        """Whether the labels meet it. An absent label is not in any set, so NotIn holds for it."""
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        inside = labels.get(self.key) in self.values
        return inside if self.operator == "In" else not inside


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)

    def peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def take(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""


@rule(
    "kubernetes", "label selectors: =, ==, !=, in, notin, a, !a", Provenance.RECORDED, "kubernetes/watch.yaml selectors"
)
def parse_labels(text: str) -> list[Requirement]:
    """The requirements of a ``labelSelector`` parameter; all must hold. Refuses with 400 what cannot be parsed."""
    tokens = _Tokens(text)
    requirements: list[Requirement] = []
    while tokens.peek():
        requirements.append(_checked(_requirement(tokens)))
        if tokens.peek() == ",":
            tokens.take()
        elif tokens.peek():
            raise bad_request(f"unable to parse requirement: found '{tokens.take()}', expected: ',' or 'end of string'")
    return requirements


@rule("kubernetes", "a selector's labels can be labels", Provenance.DOCUMENTED, "Kubernetes, labels and selectors")
@doubt(
    "kubernetes",
    "how the API server words that a label in a selector cannot be one",
    "as in an object's labels, with the path that it gives to none",
    "not recorded",
)
def _checked(requirement: Requirement) -> Requirement:
    causes = [*names.qualified("<nil>", requirement.key)]
    for value in sorted(requirement.values):
        causes += names.label_value("<nil>", value)
    if causes:
        raise bad_request(f"unable to parse requirement: {causes[0].field}: {causes[0].message}")
    return requirement


def _requirement(tokens: _Tokens) -> Requirement:
    word = tokens.take()
    if word == "!":
        return Requirement(tokens.take(), "DoesNotExist")
    if tokens.peek() in ("", ","):
        return Requirement(word, "Exists")
    operator = tokens.take()
    if operator in ("=", "==", "!="):
        value = tokens.take() if tokens.peek() not in ("", ",") else ""
        return Requirement(word, "NotIn" if operator == "!=" else "In", frozenset({value}))
    if operator in ("in", "notin"):
        return Requirement(word, "In" if operator == "in" else "NotIn", _values(tokens))
    expected = "in, notin, =, ==, !=, gt, lt"
    raise bad_request(f"unable to parse requirement: found '{operator}', expected: {expected}")


def _values(tokens: _Tokens) -> frozenset[str]:
    if (found := tokens.take()) != "(":
        raise bad_request(f"unable to parse requirement: found '{found}', expected: '('")
    values: set[str] = set()
    while (word := tokens.take()) != ")":
        if not word:
            raise bad_request("unable to parse requirement: found '', expected: ',', or ')'")
        if word != ",":
            values.add(word)
    return frozenset(values)


def matches(selector: Json | None, labels: Labels | None) -> bool:
    """Whether labels meet a LabelSelector object. An empty selector matches all, an absent one nothing."""
    if selector is None:
        return False
    found = labels or {}
    if any(found.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(
        Requirement(item["key"], item["operator"], frozenset(item.get("values") or ())).holds(found)
        for item in selector.get("matchExpressions") or ()
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _at(obj: Json, path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return _text(value)


_COMMON = ("metadata.name", "metadata.namespace")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
}


@rule("kubernetes", "field selectors, and 400 for others", Provenance.RECORDED, "kubernetes/watch.yaml selectors")
def parse_fields(text: str, resource: Resource) -> Predicate:
    """What a ``fieldSelector`` parameter asks of an object. Refuses with 400 a field that cannot be selected by."""
    conditions: list[tuple[str, str, bool]] = []
    for term in filter(None, text.split(",")):
        match = re.match(r"([^=!]+)(!=|==|=)(.*)$", term)
        if not match:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        path, operator, value = match.groups()
        _check_field(path, resource)
        conditions.append((path, value, operator != "!="))
    return lambda obj: all((_at(obj, path) == value) == wanted for path, value, wanted in conditions)


def _check_field(path: str, resource: Resource) -> None:
    if path in _COMMON or path in _FIELDS.get(resource.key, ()):
        return
    if resource.key in _FIELDS:
        raise bad_request(f"field label not supported: {path}")
    known = ", ".join(f'"{name}"' for name in _COMMON)
    raise bad_request(f'"{path}" is not a known field selector: only {known}')


def selection(label_selector: str, field_selector: str, resource: Resource) -> Predicate | None:
    """Both selectors of a request as one predicate, or None when it has neither."""
    if not label_selector and not field_selector:
        return None
    requirements = parse_labels(label_selector)
    fields = parse_fields(field_selector, resource)

    def chosen(obj: Json) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(requirement.holds(labels) for requirement in requirements) and fields(obj)

    return chosen
