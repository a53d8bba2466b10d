"""Calling mutating admission webhooks: which, with what, and what becomes of their answers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonpatch

from simulator.copying import copied
from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import defaults, schema, selectors
from .context import Options
from .errors import internal, refuse
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_log = logging.getLogger(__name__)

CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
_ENFORCER_OFF = "admissions.enforcer/disabled"


class _FailedError(Exception):
    """The webhook could not be asked, or did not answer sense; its failure policy decides."""


@dataclass(frozen=True)
class _Hook:
    configuration: Json
    body: Json

    @property
    def identity(self) -> tuple[str, str]:
        return self.configuration["metadata"]["name"], self.body["name"]

    @property
    def service(self) -> Json:
        return self.body["clientConfig"].get("service") or {}

    @property
    def url(self) -> str:
        """Where the API server says it posts to."""
        timeout = f"?timeout={self.body.get('timeoutSeconds', 10)}s"
        if url := self.body["clientConfig"].get("url"):
            return f"{url}{timeout}"
        service = self.service
        path = str(service.get("path") or "").lstrip("/")
        return f"https://{service['name']}.{service['namespace']}.svc:{service.get('port', 443)}/{path}{timeout}"


class Webhooks:
    """The webhooks of one write. ``changed`` tells whether any of them changed the object so far."""

    def __init__(
        self, cluster: Cluster, resource: Resource, old: Json | None, options: Options, subresource: str
    ) -> None:
        self._cluster, self._resource, self._old = cluster, resource, old
        self._options, self._subresource = options, subresource
        self._operation = "CREATE" if old is None else "UPDATE"
        self.changed = False
        self._output: Json = {}
        self._called: list[tuple[str, str]] = []
        """Called with reinvocationPolicy IfNeeded since the object last changed by a later one."""
        self._again: set[tuple[str, str]] = set()

    async def call(self, obj: Json) -> Json:
        """Call every webhook that wants to see the write, in order of configuration; the object after them."""
        for hook in self._hooks():
            if self._wanted(hook, obj):
                obj = await self._call(hook, obj)
        self._output = obj
        return obj

    @rule("kubernetes", "reinvocationPolicy IfNeeded", Provenance.RECORDED, "admission.yaml second_call_by_api_server")
    async def call_again(self, obj: Json) -> Json:
        """Call those again that asked for it and after which the object changed."""
        if obj != self._output:
            self._again |= set(self._called)
        again, self._again = self._again, set()
        for hook in self._hooks():
            if hook.identity in again and self._wanted(hook, obj):
                obj = await self._call(hook, obj)
        return obj

    def _hooks(self) -> Iterator[_Hook]:
        for configuration in self._cluster.store.list(CONFIGURATIONS):
            for body in configuration.get("webhooks") or ():
                yield _Hook(configuration, body)

    def _wanted(self, hook: _Hook, obj: Json) -> bool:
        if self._resource.group == "admissionregistration.k8s.io":
            return False
        return (
            any(self._rule_matches(item) for item in hook.body.get("rules") or ())
            and selectors.matches(hook.body.get("objectSelector") or {}, obj["metadata"].get("labels"))
            and self._namespace_matches(hook, obj)
        )

    def _rule_matches(self, item: Json) -> bool:
        target = f"{self._resource.name}/{self._subresource}" if self._subresource else self._resource.name
        scope = "Namespaced" if self._resource.namespaced else "Cluster"

        def among(name: str, *values: str) -> bool:
            return any(value in ("*", *values) for value in item.get(name) or ())

        everything = ("*/*", f"{self._resource.name}/*", f"*/{self._subresource}")
        return (
            among("operations", self._operation)
            and among("apiGroups", self._resource.group)
            and among("apiVersions", self._resource.version)
            and any(
                value == target or value in everything or (value == "*" and not self._subresource)
                for value in item.get("resources") or ()
            )
            and item.get("scope", "*") in ("*", scope)
        )

    def _namespace_matches(self, hook: _Hook, obj: Json) -> bool:
        if self._resource.key == "namespaces":
            labels = obj["metadata"].get("labels")
        elif self._resource.namespaced:
            name = obj["metadata"]["namespace"]
            if _kept_out(hook, name):
                return False
            namespace = self._cluster.store.get("namespaces", "", name) or {"metadata": {}}
            labels = namespace["metadata"].get("labels")
        else:
            return True
        return selectors.matches(hook.body.get("namespaceSelector") or {}, labels)

    async def _call(self, hook: _Hook, obj: Json) -> Json:
        try:
            answer = await self._ask(hook, obj)
        except _FailedError as failure:
            if hook.body.get("failurePolicy") == "Ignore":
                return obj
            raise internal(f'failed calling webhook "{hook.body["name"]}": {failure}') from None
        self._options.warnings.extend(answer.get("warnings") or ())
        if not answer.get("allowed"):
            raise _denial(hook, answer.get("status") or {})
        mutated = _patched(obj, answer)
        if mutated != obj:
            self.changed = True
            self._again |= set(self._called)
            self._called.clear()
        if hook.body.get("reinvocationPolicy") == "IfNeeded":
            self._called.append(hook.identity)
        return mutated

    async def _ask(self, hook: _Hook, obj: Json) -> Json:
        backend = self._cluster.webhook_backends.get(f"{hook.service.get('namespace')}/{hook.service.get('name')}")
        if backend is None:
            raise _FailedError(self._unreachable(hook, self._why_nobody(hook)))
        review = self._review(obj)
        try:
            # Not wait_for: until Python 3.12 it forgets a cancellation that comes together with the answer.
            async with asyncio.timeout(hook.body.get("timeoutSeconds", 10)):
                answer = await backend(review)
        except TimeoutError:
            raise _FailedError(self._unreachable(hook, "context deadline exceeded")) from None
        except ConnectionError as error:
            raise _FailedError(self._unreachable(hook, str(error))) from None
        except Exception as error:
            raise self._broken_down(error) from error
        response: Json = answer.get("response") or {}
        if response.get("uid") != review["request"]["uid"]:
            expected = f'expected response.uid="{review["request"]["uid"]}", got "{response.get("uid", "")}"'
            raise _FailedError(f"received invalid webhook response: {expected}")
        return response

    @rule("kubernetes", "text of an unreachable webhook", Provenance.RECORDED, "errors.yaml webhook-unreachable-Fail")
    def _unreachable(self, hook: _Hook, why: str) -> str:
        return f'failed to call webhook: Post "{hook.url}": {why}'

    @rule("kubernetes", "text of a webhook that answers 500", Provenance.RECORDED, "errors.yaml webhook-http500")
    def _broken_down(self, error: Exception) -> _FailedError:
        _log.error("an admission webhook broke down", exc_info=error)
        why = 'an error on the server ("unknown") has prevented the request from succeeding'
        return _FailedError(f"failed to call webhook: {why}")

    @rule("kubernetes", "a service without pods", Provenance.REPORTED, "limits-and-errors.md admission")
    def _why_nobody(self, hook: _Hook) -> str:
        name, namespace = hook.service.get("name", ""), hook.service.get("namespace", "")
        if not name:
            return "dial tcp: connect: connection refused"
        if self._cluster.store.get("services", namespace, name) is None:
            return f'service "{name}" not found'
        return f'no endpoints available for service "{name}"'

    @rule("kubernetes", "the AdmissionReview sent to webhooks", Provenance.RECORDED, "errors.yaml rules.webhook")
    def _review(self, obj: Json) -> Json:
        resource, options = self._resource, self._options
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        target = {"group": resource.group, "version": resource.version, "resource": resource.name}
        how: Json = {"kind": f"{self._operation.capitalize()}Options", "apiVersion": "meta.k8s.io/v1"}
        if options.dry_run:
            how["dryRun"] = ["All"]
        how["fieldManager"] = options.manager
        if options.asked_validation:
            how["fieldValidation"] = options.asked_validation
        request: Json = {
            "uid": self._cluster.new_uid(),
            "kind": kind,
            "resource": target,
            "requestKind": kind,
            "requestResource": target,
            "name": obj["metadata"].get("name", ""),
            "namespace": obj["metadata"].get("namespace", ""),
            "operation": self._operation,
            "userInfo": options.user.info(),
            "object": copied(obj),
            "oldObject": copied(self._old),
            "dryRun": options.dry_run,
            "options": how,
        }
        return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


@rule(
    "kubernetes", "AKS keeps foreign webhooks out of kube-system", Provenance.DOCUMENTED, "AKS FAQ: Admissions Enforcer"
)
def _kept_out(hook: _Hook, namespace: str) -> bool:
    metadata = hook.configuration["metadata"]
    marks = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    foreign = hook.service.get("namespace") != "kube-system"
    return namespace == "kube-system" and foreign and marks.get(_ENFORCER_OFF) != "true"


@rule("kubernetes", "text and code of a webhook's denial", Provenance.RECORDED, "kubernetes/errors.yaml webhook-deny")
def _denial(hook: _Hook, status: Json) -> Refusal:
    head = f'admission webhook "{hook.body["name"]}" denied the request'
    message = status.get("message") or status.get("reason")
    text = f"{head}: {message}" if message else f"{head} without explanation"
    return refuse(status.get("code") or 400, status.get("reason") or "", text)


@rule(
    "kubernetes", "a patch that does not apply is 500", Provenance.RECORDED, "kubernetes/errors.yaml webhook-badpatch"
)
def _patched(obj: Json, answer: Json) -> Json:
    """The object after the webhook's JSON patch, with defaults for what it added."""
    if not answer.get("patch"):
        return obj
    operations = json.loads(base64.b64decode(answer["patch"]))
    try:
        patched: Json = jsonpatch.apply_patch(copied(obj), operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        broken = operations[0] if operations else {}
        path, operation = broken.get("path", ""), broken.get("op", "")
        why = f'{operation} operation does not apply: doc is missing path: "{path}": missing value'
        raise internal(why) from None
    mutated = schema.decoded(obj["kind"], patched)
    defaults.fill(mutated)
    return mutated
