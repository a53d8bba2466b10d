"""Graph's JSON batching: up to 20 requests in one, each answered with its own status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from simulator.clock import stopwatch
from simulator.journal import Entry
from simulator.provenance import Provenance, rule
from simulator.routing import Refusal, Service
from simulator.throttling import limits

from . import graph_bodies
from .graph_wire import ROUTES, answer, bad_request, needs, take
from .wire import json_object, seconds_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message

    from simulator.simulation import Simulation

_HOST = "graph.microsoft.com"
LIMIT = 20
"""Requests in one batch."""


@ROUTES.add("POST", "/v1.0/$batch", Provenance.DOCUMENTED, "bulk-reads.md, json-batching")
@needs()
async def batch(simulation: Simulation, request: Request) -> Response:
    """Answer all requests side by side, those that depend on others after them."""
    steps = _steps((await json_object(request, graph_bodies.BATCH, "BadRequest")).get("requests"))
    service = Service(simulation, ROUTES)
    answers: dict[str, asyncio.Task[dict[str, Any]]] = {}
    for step in steps:
        awaited = [answers[key] for key in step.get("dependsOn") or ()]
        answers[step["id"]] = asyncio.ensure_future(_step(simulation, service, request, step, awaited))
    return answer(request, {"responses": [await task for task in answers.values()]})


@rule(
    "graph", "at most 20 requests in a batch, ids unique, dependsOn earlier ones", Provenance.DOCUMENTED, "bulk-reads"
)
def _steps(sent: object) -> list[dict[str, Any]]:
    if not isinstance(sent, list) or not sent:
        raise bad_request("Invalid batch payload format: 'requests' must be a non-empty array.")
    if len(sent) > LIMIT:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of {LIMIT}.")
    known: set[str] = set()
    for step in sent:
        if not all(isinstance(step.get(member), str) for member in ("id", "method", "url")):
            raise bad_request("Invalid batch payload format: each request needs id, method and url.")
        if step["url"].partition("?")[0].rstrip("/").lower().endswith("$batch"):
            raise bad_request("A batch request cannot hold another batch request.")
        if step["id"] in known:
            raise bad_request(f"Request Ids have to be unique. '{step['id']}' is used twice.")
        if not known.issuperset(step.get("dependsOn") or ()):
            raise bad_request(f"Request '{step['id']}' depends on a request that does not come before it.")
        known.add(step["id"])
    return sent


async def _step(
    simulation: Simulation,
    service: Service,
    request: Request,
    step: Mapping[str, Any],
    awaited: list[asyncio.Task[dict[str, Any]]],
) -> dict[str, Any]:
    """One answer of the batch; 424 where something that it depends on has failed."""
    before = [await task for task in awaited]
    if any(one["status"] >= 400 for one in before):
        error = {"code": "FailedDependency", "message": "A request that this one depends on has failed."}
        return {"id": step["id"], "status": 424, "headers": {}, "body": {"error": error}}
    sent: list[Message] = []

    async def receive() -> Message:
        body = json.dumps(step["body"]).encode() if "body" in step else b""
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope, started = _scope(request, step), stopwatch()
    await (_throttled(simulation, request, scope) or service)(scope, receive, send)
    headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in sent[1:])
    seconds, now = stopwatch() - started, simulation.clock.now()
    simulation.journal.note(Entry.of(scope, _HOST, sent[0]["status"], seconds, now, batched=True))
    answered: dict[str, Any] = {"id": step["id"], "status": sent[0]["status"], "headers": headers}
    return answered | ({"body": json.loads(content)} if content else {})


@rule("graph", "each step counts on its own, with a Retry-After of its own", Provenance.DOCUMENTED, "bulk-reads.md")
def _throttled(simulation: Simulation, request: Request, scope: dict[str, Any]) -> Response | None:
    """The 429 of a step that finds a limit reached, None for one that does not."""
    try:
        take(simulation, limits(simulation.azure, _HOST, scope))
    except Refusal as refusal:
        refusal.headers["x-instant"] = seconds_z(simulation.clock.now())[:-1]
        return ROUTES.envelope(request, refusal)
    return None


def _scope(request: Request, step: Mapping[str, Any]) -> dict[str, Any]:
    """The ASGI scope of a step: its own method, url and headers, the batch's host and token."""
    path, _, query = step["url"].partition("?")
    path = "/v1.0/" + unquote(path).removeprefix("/v1.0").lstrip("/")
    own = {name.lower(): str(value) for name, value in (step.get("headers") or {}).items()}
    inherited = {name: request.headers.get(name, "") for name in ("authorization", "user-agent")}
    headers = {"host": request.url.netloc} | inherited | own
    return {
        "type": "http",
        "http_version": "1.1",
        "scheme": "https",
        "method": step["method"].upper(),
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()
        ],
        "server": request.scope.get("server"),
        "client": request.scope.get("client"),
    }
