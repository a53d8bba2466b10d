"""What the simulator tells about itself, straight at its own port: no cloud has these routes."""

from __future__ import annotations

import hmac
import math
from base64 import b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from . import breakage, snapshots
from .azure.wire import parsed
from .holdings import held
from .provenance import Provenance
from .routing import Refusal, Routes

if TYPE_CHECKING:
    from starlette.requests import Request

    from .simulation import Simulation


def _envelope(request: Request, refusal: Refusal) -> Response:  # noqa: ARG001 - the table's signature
    return JSONResponse({"error": refusal.message}, status_code=refusal.status)


ROUTES = Routes("control", _envelope)


@ROUTES.add("GET", "/healthz", Provenance.ASSUMED, "our own")
async def healthz(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """Answers as soon as the simulator serves."""
    return JSONResponse({"status": "ok", "now": simulation.clock.now().isoformat()})


@ROUTES.add("GET", "/requests", Provenance.ASSUMED, "our own")
async def requests(simulation: Simulation, request: Request) -> Response:
    """Every request so far, or those after ``?since=N``; with counts by host and the number of writes."""
    since = int(request.query_params.get("since", "0"))
    journal = simulation.journal
    entries = journal.entries[since:]
    return JSONResponse(
        {
            "total": len(journal.entries),
            "writes": sum(entry.writes for entry in entries),
            "hosts": journal.counts(),
            "requests": [asdict(entry) for entry in entries],
        }
    )


@ROUTES.add("GET", "/unknown", Provenance.ASSUMED, "our own")
async def not_simulated(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """What was asked that no route answers."""
    return JSONResponse(simulation.unknown)


@ROUTES.add("GET", "/holdings", Provenance.ASSUMED, "our own")
async def holdings(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """What there is, by names; no value of a secret, no key, no token."""
    return JSONResponse(held(simulation))


def _of_the_owner(simulation: Simulation, request: Request) -> None:
    """401 for who was not told the key: other users of this machine reach the port, too."""
    expected = b"Basic " + b64encode(f"simulate:{simulation.key}".encode())
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
        message = "this is for the simulator's owner: ask by workload-identity simulate"
        raise Refusal(401, "Unauthorized", message)


@ROUTES.add("GET", "/snapshot", Provenance.ASSUMED, "our own")
async def snapshot(simulation: Simulation, request: Request) -> Response:
    """The whole state, secrets among it."""
    _of_the_owner(simulation, request)
    return JSONResponse(snapshots.taken(simulation))


@ROUTES.add("POST", "/restore", Provenance.ASSUMED, "our own")
async def restore(simulation: Simulation, request: Request) -> Response:
    """Make the simulation what it was when the snapshot in the body was taken."""
    _of_the_owner(simulation, request)
    try:
        await snapshots.put_back(simulation, await parsed(request, "Malformed", largest=math.inf))
    except snapshots.NotASnapshot as error:
        raise Refusal(400, "NotASnapshot", str(error)) from None
    return JSONResponse({"status": "ok"})


@ROUTES.add("POST", "/break", Provenance.ASSUMED, "our own")
async def break_(simulation: Simulation, request: Request) -> Response:
    """Break what the body says: ``fault``, by its name in the catalogue, of ``subject``."""
    _of_the_owner(simulation, request)
    asked = await parsed(request, "Malformed")
    try:
        done = await breakage.break_(simulation, str(asked.get("fault", "")), str(asked.get("subject", "")))
    except breakage.NotBreakable as error:
        raise Refusal(400, "NotBreakable", str(error)) from None
    return JSONResponse({"done": done})
