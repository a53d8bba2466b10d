"""Lists: selected, paged, at a revision."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from starlette.datastructures import QueryParams

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import selectors
from .errors import Cause, bad_request, invalid_options, refuse
from .resources import Resource
from .store import Compacted, key_of

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


_MATCHES = ("", "Exact", "NotOlderThan")
_LONGEST_NUMBER = 20
"""Characters that a number of 64 bits can have at most."""


_NOW = -1
"""The revision of a token that goes on in the list as it is now."""


def version_of(text: str) -> int | None:
    """A ``resourceVersion`` parameter as a number; None when it is absent."""
    if not text:
        return None
    digits = re.fullmatch(r"[0-9]+", text) is not None
    if not digits or len(text) > _LONGEST_NUMBER or int(text) >= 1 << 64:
        quoted, why = json.dumps(text), "value out of range" if digits else "invalid syntax"
        parsing = f"strconv.ParseUint: parsing {quoted}: {why}"
        raise bad_request(f"invalid resource version: resourceVersion: Invalid value: {quoted}: {parsing}")
    return int(text)


def whole_number(query: QueryParams, name: str) -> int:
    """A parameter of 64 bits; 0 when it is absent or empty. Refuses with 400 what is no number, or none of 64 bits."""
    text = query.get(name, "")
    if not text:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: invalid syntax")
    if len(text) > _LONGEST_NUMBER or not -(1 << 63) <= int(text) < 1 << 63:
        raise bad_request(f"strconv.ParseInt: parsing {json.dumps(text)}: value out of range")
    return int(text)


def _check(query: QueryParams) -> None:
    match = query.get("resourceVersionMatch", "")
    if match not in _MATCHES:
        raise invalid_options("ListOptions", Cause.unsupported("resourceVersionMatch", f'"{match}"', _MATCHES[1:]))
    if query.get("sendInitialEvents"):
        cause = Cause.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
        raise invalid_options("ListOptions", cause)
    if query.get("resourceVersionMatch") and not query.get("resourceVersion"):
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", Cause.forbidden("resourceVersionMatch", why))
    if query.get("continue") and query.get("resourceVersion") not in (None, "", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


@rule("kubernetes", "lists: unknown resourceVersionMatch", Provenance.REPORTED, "kube-apiserver, ListOptions")
@rule("kubernetes", "lists: limit, continue, resourceVersion", Provenance.RECORDED, "kubernetes/watch.yaml list")
def read(cluster: Cluster, resource: Resource, namespace: str, query: QueryParams) -> tuple[list[Json], Json]:
    """The objects that a list request asks for, not to be changed, and the metadata of the list."""
    _check(query)
    whole_number(query, "timeoutSeconds")
    chosen = selectors.selection(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource)
    revision, start = cluster.store.revision, ("", "")
    asked = version_of(query.get("resourceVersion", ""))
    given = max(whole_number(query, "limit"), 0)
    limit = 0 if asked == 0 else given
    if token := query.get("continue"):
        revision, start = _position(token, namespace)
        revision = cluster.store.revision if revision == _NOW else revision
    elif asked and (limit or query.get("resourceVersionMatch") == "Exact"):
        revision = asked
    if max(revision, asked or 0) > cluster.store.revision:
        raise _too_large(max(revision, asked or 0), cluster.store.revision)
    try:
        objects = (
            cluster.store.list(resource.key, namespace)
            if revision == cluster.store.revision
            else cluster.store.at(revision, resource.key, namespace)
        )
    except Compacted:
        raise _too_old(token, start, namespace) from None
    rest = [obj for obj in objects if _place(obj) >= start and (chosen is None or chosen(obj))]
    return _page(rest, revision, limit, namespace, counted=chosen is None)


_CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@rule("kubernetes", "an expired list can be gone on with", Provenance.RECORDED, "watch.yaml list.errors.expired")
def _too_old(token: str | None, start: tuple[str, str], namespace: str) -> Refusal:
    if not token:
        return refuse(410, "Expired", "The resourceVersion for the provided list is too old.")
    refusal = refuse(410, "Expired", _CONTINUE_EXPIRED)
    refusal.extra["metadata"] = {"continue": _written(_NOW, start if not namespace else ("", start[1]))}
    return refusal


def _too_large(asked: int, current: int) -> Refusal:
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return refuse(504, "Timeout", message, details, {"Retry-After": "1"})


def _place(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _page(rest: list[Json], revision: int, limit: int, namespace: str, *, counted: bool) -> tuple[list[Json], Json]:
    metadata: Json = {"resourceVersion": str(revision)}
    if not limit or len(rest) <= limit:
        return rest, metadata
    page = rest[:limit]
    metadata["continue"] = _token(revision, page[-1], namespace)
    if counted:
        metadata["remainingItemCount"] = len(rest) - limit
    return page, metadata


def _token(revision: int, last: Json, namespace: str) -> str:
    namespace, name = ("", _place(last)[1]) if namespace else _place(last)
    return _written(revision, (namespace, f"{name}\0"))


def _written(revision: int, start: tuple[str, str]) -> str:
    key = key_of(*start) if start[0] else start[1]
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": f"/{key}"}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _position(token: str, namespace: str) -> tuple[int, tuple[str, str]]:
    try:
        body = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, start = int(body["rv"]), str(body["start"]).removeprefix("/")
    except (ValueError, KeyError, TypeError):
        raise bad_request("invalid continue token: it cannot be decoded") from None
    inside, slash, name = start.rpartition("/")
    return revision, (inside if slash else namespace, name)


@rule("kubernetes", "lists of custom resources", Provenance.RECORDED, "kubernetes/watch.yaml list")
def as_list(resource: Resource, objects: list[Json], metadata: Json) -> Json:
    """The List object; its items carry neither kind nor apiVersion, but for those of custom resources."""
    if resource.custom:
        more = {"continue": ""} | metadata
        return {"apiVersion": resource.api_version, "items": objects, "kind": f"{resource.kind}List", "metadata": more}
    items = [{name: value for name, value in obj.items() if name not in ("kind", "apiVersion")} for obj in objects]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": items}
