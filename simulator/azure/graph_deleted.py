"""Graph's bin of deleted applications: listed, read, restored, emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.provenance import Provenance

from . import directory
from .graph_wire import METADATA, OWN, READ, ROUTES, WRITE, answer, collection, may_change, needs, not_found, nothing
from .state import Application, Json
from .wire import seconds_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_BIN = "/v1.0/directory/deletedItems"


def _deleted(simulation: Simulation, key: str) -> Application:
    found = simulation.azure.applications.get(key.lower())
    if found is None or found.deleted_at is None:
        raise not_found(key)
    return found


def _tombstone(one: Application) -> Json:
    assert one.deleted_at is not None
    return {**one.body, "deletedDateTime": seconds_z(one.deleted_at)}


@ROUTES.add("GET", f"{_BIN}/graph.application", Provenance.DOCUMENTED, "directory-deleteditems-list, as msgraph-sdk")
@ROUTES.add("GET", f"{_BIN}/microsoft.graph.application", Provenance.DOCUMENTED, "directory-deleteditems-list")
@needs(READ)
async def list_deleted(simulation: Simulation, request: Request) -> Response:
    """Applications in the bin, for 30 days."""
    items = [_tombstone(one) for one in simulation.azure.applications.values() if one.deleted_at]
    return collection(request, "applications", items, lambda item: item)


@ROUTES.add("GET", f"{_BIN}/{{id}}", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(READ)
async def get_deleted(simulation: Simulation, request: Request) -> Response:
    """One in the bin."""
    found = _deleted(simulation, request.path_params["id"])
    body = {"@odata.type": "#microsoft.graph.application", **_tombstone(found)}
    return answer(request, {"@odata.context": f"{METADATA}directoryObjects/$entity", **body})


@ROUTES.add("POST", f"{_BIN}/{{id}}/restore", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(WRITE, OWN)
async def restore(simulation: Simulation, request: Request) -> Response:
    """Bring one back with its service principal and its federated credentials."""
    found = _deleted(simulation, request.path_params["id"])
    may_change(request, found.owner)
    directory.mark_deleted(simulation.azure, found, None)
    body = {"@odata.type": "#microsoft.graph.application", **found.body}
    return answer(request, {"@odata.context": f"{METADATA}directoryObjects/$entity", **body})


@ROUTES.add("DELETE", f"{_BIN}/{{id}}", Provenance.DOCUMENTED, "directory-deleteditems")
@needs(WRITE, OWN)
async def purge(simulation: Simulation, request: Request) -> Response:
    """Delete one for good."""
    found = _deleted(simulation, request.path_params["id"])
    may_change(request, found.owner)
    directory.erase(simulation.azure, found)
    return nothing(request)
