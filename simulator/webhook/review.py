"""The webhook's side of the AdmissionReview protocol: from the bytes of a request to the answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jsonpatch

from simulator.provenance import Provenance, rule

from .mutation import Denied, mutate, service_account_name
from .settings import Settings

FindServiceAccount = Callable[[str, str], dict[str, Any] | None]
"""Namespace and name to the service account, None if there is none."""

_GO_LISTS = {"containers": "Container", "initContainers": "Container", "volumes": "Volume"}
_GO_KINDS: dict[type, str] = {str: "string", bool: "bool", int: "number", float: "number", dict: "object"}


@rule("webhook", "protocol errors", Provenance.RECORDED, "admission.yaml protocol")
def answer_review(
    body: bytes, content_type: str, settings: Settings, server_version: str, find: FindServiceAccount
) -> dict[str, Any]:
    """The AdmissionReview that answers ``body``. The HTTP status is 200 always; a denial's code is in the answer."""
    try:
        review = _decode(body, content_type)
    except Denied as denied:
        return _review({}, {"uid": "", **_denial(denied)})
    request = review.get("request") or {}
    try:
        outcome = _mutation(request, settings, server_version, find)
    except Denied as denied:
        outcome = _denial(denied)
    return _review(review, {"uid": request.get("uid", ""), **outcome})


def _decode(body: bytes, content_type: str) -> dict[str, Any]:
    if not body:
        raise Denied("request body is empty")
    if content_type != "application/json":
        raise Denied(f"contentType={content_type}, expected application/json")
    try:
        review: dict[str, Any] = json.loads(body)
    except ValueError as error:
        at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(error.doc.rstrip())
        reason = "unexpected end of JSON input" if at_end else str(error)
        raise Denied(f"couldn't get version/kind; json parse error: {reason}") from error
    return review


def _mutation(
    request: dict[str, Any], settings: Settings, server_version: str, find: FindServiceAccount
) -> dict[str, Any]:
    before = request.get("object")
    if not before:
        raise Denied("there is no content to decode")
    _check_pod(before)
    pod = {**before, "metadata": {"namespace": request.get("namespace", ""), **before.get("metadata", {})}}
    account = find(request.get("namespace", ""), service_account_name(pod))
    operations = jsonpatch.make_patch(before, mutate(pod, account, settings, server_version)).patch
    allowed: dict[str, Any] = {"allowed": True, "status": {"metadata": {}, "code": 200}}
    if operations:
        patch = base64.b64encode(json.dumps(operations).encode()).decode()
        allowed |= {"patchType": "JSONPatch", "patch": patch}
    return allowed


def _check_pod(obj: dict[str, Any]) -> None:
    """Refuse what Go would not decode into a Pod."""
    kind, version = obj.get("kind", "Pod"), obj.get("apiVersion", "v1")
    if (kind, version) != ("Pod", "v1"):
        group_version = version if "/" in version else f"/{version}"
        raise Denied(f"unable to decode {group_version}, Kind={kind} into *v1.Pod")
    for field, item in _GO_LISTS.items():
        value = obj.get("spec", {}).get(field)
        if value is not None and not isinstance(value, list):
            place = f"Go struct field PodSpec.spec.{field} of type []v1.{item}"
            raise Denied(f"json: cannot unmarshal {_GO_KINDS[type(value)]} into {place}")


def _denial(denied: Denied) -> dict[str, Any]:
    return {"allowed": False, "status": {"metadata": {}, "message": str(denied), "code": 400}}


def _review(review: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """The envelope, in the API version that the request came in, whatever that is."""
    version = review.get("apiVersion", "admission.k8s.io/v1")
    return {"kind": "AdmissionReview", "apiVersion": version, "response": response}
