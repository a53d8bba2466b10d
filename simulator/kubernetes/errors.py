"""The API server's error answers: how they read, and the Status object they travel in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from .encoding import dump

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .resources import Resource

Json = dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """One entry of ``details.causes`` of an invalid object. ``reason`` is one of the FieldValue... words."""

    field: str
    reason: str
    message: str

    @classmethod
    def required(cls, field: str, why: str = "") -> Cause:
        """A field that has no value."""
        return cls(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")

    @classmethod
    def invalid(cls, field: str, value: str, why: str) -> Cause:
        """A field whose value is wrong; ``value`` is already written as JSON."""
        return cls(field, "FieldValueInvalid", f"Invalid value: {value}: {why}")

    @classmethod
    def unsupported(cls, field: str, value: str, supported: Sequence[str]) -> Cause:
        """A field whose value is none of a closed list."""
        words = ", ".join(f'"{word}"' for word in supported)
        return cls(field, "FieldValueNotSupported", f"Unsupported value: {value}: supported values: {words}")

    @classmethod
    def forbidden(cls, field: str, why: str) -> Cause:
        """A field that may not be there, or may not be changed."""
        return cls(field, "FieldValueForbidden", f"Forbidden: {why}")


def refuse(
    status: int,
    reason: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """A refusal with a Status body. ``reason`` is empty for the errors that carry none."""
    return Refusal(status, reason, message, headers=headers, extra={} if details is None else {"details": details})


def bad_request(message: str) -> Refusal:
    """400: the request could not be understood."""
    return refuse(400, "BadRequest", message)


def unauthorized() -> Refusal:
    """401: credentials were given and are not good."""
    return refuse(401, "Unauthorized", "Unauthorized")


def named(resource: Resource, name: str, **more: Any) -> Json:
    """The details that name an object by its resource: name, group (unless core), kind (the plural)."""
    details: Json = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": resource.name} | more


@rule("kubernetes", "an absent object is 404 NotFound", Provenance.RECORDED, "kubernetes/errors.yaml notfound-group")
def not_found(resource: Resource, name: str) -> Refusal:
    """404: the object does not exist."""
    return refuse(404, "NotFound", f'{resource.key} "{name}" not found', named(resource, name))


@rule("kubernetes", "an unknown path is a generic 404", Provenance.RECORDED, "kubernetes/errors.yaml path-unknown")
def no_such_path() -> Refusal:
    """404: no such resource in a group that exists."""
    return refuse(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str, *, being_deleted: bool = False) -> Refusal:
    """409: the name is taken, perhaps by an object that is on its way out."""
    prefix = "object is being deleted: " if being_deleted else ""
    message = f'{prefix}{resource.key} "{name}" already exists'
    return refuse(409, "AlreadyExists", message, named(resource, name))


@rule("kubernetes", "a stale resourceVersion is 409 Conflict", Provenance.RECORDED, "errors.yaml conflict-rv-put")
def modified(resource: Resource, name: str) -> Refusal:
    """409: the object changed since the caller read it."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def conflict(resource: Resource, name: str, why: str) -> Refusal:
    """409: an optimistic write that does not fit the stored object."""
    message = f'Operation cannot be fulfilled on {resource.key} "{name}": {why}'
    return refuse(409, "Conflict", message, named(resource, name))


def forbidden(resource: Resource, name: str, why: str, **details: Any) -> Refusal:
    """403 by admission: the caller may, but this object may not."""
    return refuse(403, "Forbidden", f'{resource.key} "{name}" is forbidden: {why}', named(resource, name, **details))


def internal(message: str) -> Refusal:
    """500 with the cause spelled out, as for a webhook that cannot be called."""
    details = {"causes": [{"message": message}]}
    return refuse(500, "InternalError", f"Internal error occurred: {message}", details)


def method_not_allowed() -> Refusal:
    """405: the resource exists and does not have this verb."""
    return refuse(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


@rule("kubernetes", "an invalid object is 422 with every cause", Provenance.RECORDED, "kubernetes/errors.yaml rules")
def invalid(kind: str, group: str, name: str | None, causes: Sequence[Cause]) -> Refusal:
    """422: the object breaks validation rules. ``name`` None is for options, which have none.

    Equal causes are named once in the message but stay repeated in the details.
    """
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details["causes"] = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    qualified = f"{kind}.{group}" if group else kind
    return refuse(422, "Invalid", f'{qualified} "{name or ""}" is invalid: {text}', details)


def invalid_options(kind: str, cause: Cause) -> Refusal:
    """422 for a bad query parameter: ``kind`` is CreateOptions, PatchOptions, ListOptions, ..."""
    return invalid(kind, "meta.k8s.io", None, [cause])


def status_of(refusal: Refusal) -> Json:
    """The Status object of a refusal, keys in the order of the real server."""
    body: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body["metadata"] = refusal.extra.get("metadata", {})
    body["message"] = refusal.message
    if refusal.code:
        body["reason"] = refusal.code
    if "details" in refusal.extra:
        body["details"] = refusal.extra["details"]
    return body | {"code": refusal.status}


def answer(refusal: Refusal) -> Response:
    """The HTTP answer of a refusal."""
    return Response(dump(status_of(refusal)), refusal.status, headers=refusal.headers, media_type="application/json")
