"""Which form of answer a request accepts: plain objects, tables, or metadata alone; JSON or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from starlette.responses import Response

from simulator.provenance import Provenance, rule

from .encoding import dump
from .errors import refuse

_KNOWN = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
_TRANSFORMS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
_META = ("v1", "meta.k8s.io")


@dataclass(frozen=True)
class Form:
    """The form of an answer. ``transform`` is empty, Table, PartialObjectMetadata or PartialObjectMetadataList."""

    transform: str = ""
    yaml: bool = False

    def response(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """The answer in this form."""
        if self.yaml:
            text = yaml.safe_dump(body, sort_keys=False)
            return Response(text, status, headers=headers, media_type="application/yaml")
        return Response(dump(body), status, headers=headers, media_type="application/json")


@dataclass(frozen=True)
class _Part:
    media: str
    parameters: Mapping[str, str]


def _parts(accept: str) -> list[_Part]:
    parts = []
    for text in accept.split(","):
        media, *parameters = (piece.strip() for piece in text.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        parts.append(_Part(media.lower(), {name: value for name, _, value in pairs}))
    return parts


@rule("kubernetes", "the first acceptable form wins", Provenance.RECORDED, "kubernetes/discovery.yaml table.negotiate")
def negotiate(accept: str | None, *, watching: bool = False) -> Form:
    """The form for an Accept header. Protobuf is passed over for the next acceptable one. Refuses with 406."""
    if not accept:
        return Form()
    refused_transform = False
    for part in _parts(accept):
        transform = part.parameters.get("as", "")
        if transform:
            if transform not in _TRANSFORMS or part.media != "application/json":
                refused_transform = True
                continue
            if (part.parameters.get("v"), part.parameters.get("g")) == _META:
                return Form(transform)
        elif part.media in ("application/json", "application/*", "*/*"):
            return Form()
        elif part.media == "application/yaml" and not watching:
            return Form(yaml=True)
    if refused_transform:
        raise refuse(406, "NotAcceptable", f"only the following media types are accepted: {_KNOWN}")
    raise refuse(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {_KNOWN}", {})


def asks_for_discovery(accept: str, version: str) -> bool:
    """Whether the first JSON part of an Accept header is aggregated discovery of this version."""
    for part in _parts(accept):
        if part.media == "application/json":
            wanted = ("APIGroupDiscoveryList", version, "apidiscovery.k8s.io")
            if tuple(part.parameters.get(name, "") for name in ("as", "v", "g")) == wanted:
                return True
            if not part.parameters:
                return False
    return False
