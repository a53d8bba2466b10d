"""Requests for objects: get, list, watch, create, update, patch, delete, and their subresources."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import (
    apply,
    bodies,
    deletion,
    lists,
    logs,
    patches,
    registry,
    reviews,
    scale,
    schema,
    selectors,
    tables,
    tokens,
    watch,
)
from .context import Options, User
from .deletion import DeleteOptions
from .errors import Cause, bad_request, invalid, invalid_options, modified, refuse
from .negotiation import Form, negotiate
from .paths import Target
from .resources import Resource

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


class Endpoint:
    """One request for a resource."""

    def __init__(self, cluster: Cluster, request: Request, resource: Resource, target: Target, user: User) -> None:
        self._cluster, self._request, self._resource, self._user = cluster, request, resource, user
        self._namespace, self._name, self._part = target.namespace, target.name, target.subresource

    async def answer(self, verb: str) -> Response:
        """Do what the verb says."""
        if self._part == "log":
            pod = registry.stored(self._cluster, self._resource, self._namespace, self._name)
            return logs.answer(self._cluster, pod, self._request.query_params)
        if verb == "watch":
            return self._watch()
        form = negotiate(self._request.headers.get("Accept"))
        if verb == "get":
            return self._one(form, self._current())
        if verb == "list":
            objects, metadata = self._listed()
            return self._many(form, objects, metadata)
        if verb == "create":
            return await self._create(form)
        if verb == "update":
            return await self._update(form)
        if verb == "patch":
            return await self._patch(form)
        options = await self._delete_options()
        if verb == "delete":
            result = deletion.delete(self._cluster, self._resource, self._namespace, self._name, options)
            return self._one(form, result)
        return self._delete_collection(form, options)

    def _listed(self) -> tuple[list[Json], Json]:
        return lists.read(self._cluster, self._resource, self._namespace, self._request.query_params)

    def _current(self) -> Json:
        obj = registry.stored(self._cluster, self._resource, self._namespace, self._name)
        return scale.of(obj) if self._part == "scale" else obj

    def _one(self, form: Form, obj: Json, status: int = 200, options: Options | None = None) -> Response:
        plain = obj["kind"] != self._resource.kind
        if form.transform == "Table" and not plain:
            metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            include = self._request.query_params.get("includeObject", "")
            obj = tables.table(self._cluster, self._resource, [obj], metadata, include)
        elif form.transform and not plain:
            obj = tables.metadata_only(obj)
        response = form.response(obj, status)
        for text in _unique(options.warnings if options else []):
            escaped = text.replace("\\", "\\\\").replace('"', '\\"').encode().decode("latin-1")  # UTF-8 on the wire
            response.headers.append("Warning", f'299 - "{escaped}"')
        return self._with_deprecation(response)

    def _many(self, form: Form, objects: list[Json], metadata: Json) -> Response:
        body: Json
        if form.transform == "Table":
            include = self._request.query_params.get("includeObject", "")
            body = tables.table(self._cluster, self._resource, objects, metadata, include)
        elif form.transform:
            items = [tables.metadata_only(obj) for obj in objects]
            head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            body = head | {"metadata": metadata, "items": items}
        else:
            body = lists.as_list(self._resource, objects, metadata)
        return self._with_deprecation(form.response(body))

    @rule("kubernetes", "Endpoints are deprecated", Provenance.RECORDED, "discovery.yaml table.deprecation_warning")
    def _with_deprecation(self, response: Response) -> Response:
        if self._resource.key == "endpoints":
            text = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
            response.headers.append("Warning", f'299 - "{text}"')
        return response

    def _watch(self) -> Response:
        form = negotiate(self._request.headers.get("Accept"), watching=True)
        wanted = watch.Watch.of(self._resource, self._namespace, self._request.query_params, form)
        response = StreamingResponse(watch.stream(self._cluster, wanted))
        response.headers["Content-Type"] = "application/json"
        return response

    def _options(self, kind: str) -> Options:
        options = bodies.options_of(self._request, kind)
        options.user = self._user
        return options

    async def _create(self, form: Form) -> Response:
        options = self._options("CreateOptions")
        if self._part == "token":
            body = await bodies.read(self._request, "TokenRequest", options)
            answer = tokens.request_token(self._cluster, self._namespace, self._name, body, options)
            return self._one(form, answer, 201, options)
        body = await bodies.read(self._request, self._resource.kind, options)
        if not self._resource.stored:
            review = reviews.answer(self._cluster, self._resource, body, self._namespace, options)
            return self._one(form, review, 201, options)
        obj = await registry.create(self._cluster, self._resource, body, self._namespace, options)
        return self._one(form, obj, 201, options)

    async def _update(self, form: Form) -> Response:
        options = self._options("UpdateOptions")
        kind = "Scale" if self._part == "scale" else self._resource.kind
        body = await bodies.read(self._request, kind, options)

        def put(live: Json) -> Json:
            metadata = body.get("metadata")
            uid = metadata.get("uid") if isinstance(metadata, dict) else None
            if uid not in (None, "", live["metadata"]["uid"]):
                raise modified(self._resource, self._name)
            return body

        return self._one(form, await self._changed(put, options), 200, options)

    async def _changed(self, change: Callable[[Json], Json], options: Options) -> Json:
        target = (self._cluster, self._resource, self._namespace, self._name)
        if self._part == "scale":
            return await scale.change(*target, change, options)
        return await registry.update(*target, change, options, self._part)

    async def _patch(self, form: Form) -> Response:
        content_type = bodies.media_type(self._request)
        if content_type not in (patches.APPLY, patches.MERGE, patches.JSON_PATCH, patches.STRATEGIC):
            raise refuse(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        if content_type == patches.STRATEGIC and self._resource.custom:
            raise _no_strategic_patch()
        options = self._options("PatchOptions")
        data = await bodies.raw(self._request)
        if content_type == patches.APPLY:
            return await self._apply(form, data, options)
        if self._request.query_params.get("force"):
            cause = Cause.forbidden("force", "may not be specified for non-apply patch")
            raise invalid_options("PatchOptions", cause)
        patch, twice = bodies.patch(data, operations=content_type == patches.JSON_PATCH)
        kind = "Scale" if self._part == "scale" else self._resource.kind

        def change(live: Json) -> Json:
            patched = patches.patched(content_type, kind, live, patch)
            return _checked(kind, patched, patches.described(content_type, patch, patched), twice, options)

        return self._one(form, await self._changed(change, options), 200, options)

    async def _apply(self, form: Form, data: bytes, options: Options) -> Response:
        if not self._request.query_params.get("fieldManager"):
            cause = Cause.required("fieldManager", "is required for apply patch")
            raise invalid_options("PatchOptions", cause)
        if self._part == "scale":
            raise bad_request("the simulator does not apply to scale")
        body = bodies.applied(data, options)
        obj, created = await apply.apply(
            self._cluster, self._resource, self._namespace, self._name, body, options, self._part
        )
        return self._one(form, obj, 201 if created else 200, options)

    async def _delete_options(self) -> DeleteOptions:
        data = await bodies.raw(self._request)
        body = await bodies.read(self._request, "DeleteOptions", Options(field_validation="Ignore")) if data else {}
        return DeleteOptions.of(body, dict(self._request.query_params))

    def _delete_collection(self, form: Form, options: DeleteOptions) -> Response:
        query = self._request.query_params
        chosen = selectors.selection(query.get("labelSelector", ""), query.get("fieldSelector", ""), self._resource)
        doomed = [
            obj
            for obj in self._cluster.store.list(self._resource.key, self._namespace)
            if chosen is None or chosen(obj)
        ]
        for obj in doomed:
            metadata = obj["metadata"]
            deletion.delete(self._cluster, self._resource, metadata.get("namespace", ""), metadata["name"], options)
        return self._many(form, doomed, {"resourceVersion": str(self._cluster.store.revision)})


@rule("kubernetes", "a patch with bad fields is 422", Provenance.RECORDED, "errors.yaml fieldValidation-Strict-smp")
def _checked(kind: str, patched: Json, value: str, twice: list[str], options: Options) -> Json:
    """The result of a patch, checked for unknown fields and wrong types as the field validation asks.

    ``value`` is the patch as messages show it, ``twice`` what is wrong with the patch itself.
    """
    problems = twice + [f'unknown field "{path}"' for path in schema.unknown_fields(kind, patched)]
    complaint = schema.type_complaint(kind, patched)
    if problems and not complaint and options.field_validation == "Strict":
        complaint = f"strict decoding error: {', '.join(problems)}"
    elif options.field_validation == "Warn":
        options.warnings.extend(problems)
    if complaint:
        raise invalid("", "", None, [Cause.invalid("patch", value, complaint)])
    return patched


@rule("kubernetes", "no strategic patch of custom ones", Provenance.RECORDED, "errors.yaml smp-on-custom-resource")
def _no_strategic_patch() -> Refusal:
    accepted = ", ".join((patches.JSON_PATCH, patches.MERGE, patches.APPLY))
    text = "the body of the request was in an unknown format - accepted media types include"
    return refuse(415, "UnsupportedMediaType", f"{text}: {accepted}")


def _unique(warnings: list[str]) -> list[str]:
    return list(dict.fromkeys(warnings))
