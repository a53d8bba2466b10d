"""What a request asks for, read from its method and path."""

from __future__ import annotations

from dataclasses import dataclass

from .authorization import Attributes

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_PARTS = {"finalize", "status"}


@dataclass(frozen=True)
class Target:
    """A path below /api or /apis taken apart. ``resource`` empty means that it is no resource path."""

    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    watching: bool = False
    """Whether the path is of the old form .../watch/..."""
    rest: bool = False
    """Whether more segments follow than a resource path has."""


def parse(path: str) -> Target:
    """The target of a path; trailing slashes do not matter."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 1:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 2:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return Target()
    watching = parts[:1] == ["watch"]
    if watching:
        parts = parts[1:]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2 and not (group == "" and parts[2] in _NAMESPACE_PARTS):
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = (*parts[:3], "", "", "")[:3]
    # Proxies take any path below them; nothing else has a fourth segment.
    return Target(group, version, namespace, resource, name, subresource, watching, rest=len(parts) > 3)


def attributes(method: str, path: str, target: Target, *, watch: bool) -> Attributes:
    """What must be allowed for the request."""
    if not target.resource:
        return Attributes(method.lower(), path=path)
    return Attributes(
        verb=_verb(method, target, watch=watch),
        group=target.group,
        resource=f"{target.resource}/{target.subresource}" if target.subresource else target.resource,
        # A namespace is an object in no namespace, but rights to it are given in its own.
        namespace=target.namespace or (target.name if target.resource == "namespaces" else ""),
        name=target.name,
    )


def _verb(method: str, target: Target, *, watch: bool) -> str:
    if method == "GET":
        if target.watching or (watch and not target.name):
            return "watch"
        return "get" if target.name else "list"
    if method == "DELETE" and not target.name:
        return "deletecollection"
    return _VERBS.get(method, method.lower())
