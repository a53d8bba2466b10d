"""The Helm repository that publishes the webhook's chart, packed from the files next to this module."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from simulator.provenance import Provenance
from simulator.routing import Refusal, Routes
from simulator.simulation import Simulation

CHART = Path(__file__).parent / "chart"
"""The chart's directory, as ``helm template`` takes it."""

_URL = "https://azure.github.io/azure-workload-identity/charts"


def _envelope(_: Request, refusal: Refusal) -> Response:
    return PlainTextResponse(refusal.message, refusal.status, refusal.headers)


ROUTES = Routes("webhook", _envelope)


@cache
def chart_metadata() -> dict[str, Any]:
    """Chart.yaml."""
    metadata: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return metadata


@cache
def chart_archive() -> bytes:
    """The chart as a gzipped tar archive; the same files always make the same bytes, hence the same digest."""
    tape = io.BytesIO()
    with tarfile.open(fileobj=tape, mode="w") as archive:
        for path in sorted(path for path in CHART.rglob("*") if path.is_file()):
            content = path.read_bytes()
            member = tarfile.TarInfo(f"{chart_metadata()['name']}/{path.relative_to(CHART).as_posix()}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(tape.getvalue(), mtime=0)


def _archive_name() -> str:
    return f"{chart_metadata()['name']}-{chart_metadata()['version']}.tgz"


@ROUTES.add("GET", "/azure-workload-identity/charts/index.yaml", Provenance.DOCUMENTED, "helm chart repository guide")
async def _index(_: Simulation, __: Request) -> Response:
    entry = chart_metadata() | {
        "digest": hashlib.sha256(chart_archive()).hexdigest(),
        "urls": [f"{_URL}/{_archive_name()}"],
    }
    index = {"apiVersion": "v1", "entries": {entry["name"]: [entry]}}
    return Response(yaml.safe_dump(index), media_type="text/yaml")


@ROUTES.add("GET", "/azure-workload-identity/charts/{file}", Provenance.DOCUMENTED, "helm chart repository guide")
async def _download(_: Simulation, request: Request) -> Response:
    if request.path_params["file"] != _archive_name():
        raise Refusal(404, "NotFound", "404 File not found")
    return Response(chart_archive(), media_type="application/gzip")
