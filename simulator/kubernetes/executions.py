"""``kubectl exec``: a command in a running container, its streams over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import unknown
from simulator.upgrades import Upgrade, WebSocket

from . import channels
from .channels import PROTOCOLS, Channel
from .command_streams import Wanted
from .container_commands import NotExecutableError, NotRunningError, Tell
from .errors import bad_request
from .pod_containers import container_of

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]
Converse = Callable[[str, WebSocket], Awaitable[None]]
"""The name of a container and the socket to the conversation."""
SUCCESS: Json = {"metadata": {}, "status": "Success"}


class Attended(Protocol):
    """What a conversation is held with."""

    def write(self, data: bytes) -> None:
        """Give it something to read."""

    def close_input(self) -> None:
        """Let it read the end of its input."""

    def resize(self, width: int, height: int) -> None:
        """Set the size of its terminal."""

    async def until_ended(self, tell: Tell) -> int:
        """Pass on what it prints until it has ended; its exit code."""


@rule("kubernetes", "exec in a pod's container", Provenance.RECORDED, "kubernetes/client-traffic.yaml exec_protocol")
def answer(simulation: Simulation, cluster: Cluster, pod: Json, request: Request) -> Response:
    """The answer to ``pods/exec`` for a pod that is there. SPDY, the older protocol, is not simulated."""
    wanted = _wanted(request.query_params)

    async def converse(container: str, socket: WebSocket) -> None:
        await channels.finish(socket, await _outcome(cluster, pod, container, wanted, socket))

    return upgraded(simulation, pod, request, converse)


@rule("kubernetes", "streams need a WebSocket", Provenance.RECORDED, "client-traffic.yaml exec_protocol.errors")
@doubt(
    "kubernetes",
    "which answer a client gets that offers no subprotocol of those two",
    "400, before the connection is upgraded",
    "kubernetes/client-traffic.yaml exec_protocol offers only these",
)
def upgraded(simulation: Simulation, pod: Json, request: Request, converse: Converse) -> Response:
    """The answer that goes on as ``converse`` with the container that the query names. Refuses what cannot with 400."""
    container = container_of(pod, request.query_params.get("container", ""))
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    socket: WebSocket | None = request.scope.get("websocket")
    if socket is None:
        if request.headers.get("Upgrade", "").lower().startswith("spdy/"):
            return unknown(simulation, request)
        raise bad_request("Upgrade request required")
    protocol = next((name for name in PROTOCOLS if name in socket.offered), None)
    if protocol is None:
        offered = f"client supports [{' '.join(socket.offered)}], server accepts [{' '.join(PROTOCOLS)}]"
        raise bad_request(f"unable to negotiate protocol: {offered}")

    async def talk(socket: WebSocket) -> None:
        with contextlib.suppress(OSError):  # the client is gone, and its command with it
            await converse(container, socket)

    return Upgrade(socket, protocol, talk)


@rule(
    "kubernetes", "a terminal has no standard error", Provenance.RECORDED, "client-traffic.yaml exec_protocol.request"
)
@doubt(
    "kubernetes",
    "whether exec without stdout= and stderr= gets both, as the API's defaults say, or is refused by the node",
    "it gets both; only where all three are denied it is refused",
    "PodExecOptions' defaulting against the node's own check of the streams",
)
def _wanted(query: QueryParams) -> Wanted:
    tty = _flag(query, "tty", absent=False)
    return Wanted(
        command=tuple(query.getlist("command")),
        stdin=_flag(query, "stdin", absent=False),
        stdout=_flag(query, "stdout", absent=True),
        stderr=_flag(query, "stderr", absent=True) and not tty,
        tty=tty,
    )


def _flag(query: QueryParams, name: str, *, absent: bool) -> bool:
    """A truth value of a query: everything but 0 and false is true."""
    return query[name].lower() not in ("0", "false") if name in query else absent


async def _outcome(cluster: Cluster, pod: Json, container: str, wanted: Wanted, socket: WebSocket) -> Json:
    """Run the command to its end; the Status that says how it ended."""
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        return failure("unable to upgrade connection: you must specify at least 1 of stdin, stdout, stderr")
    metadata = pod["metadata"]
    missing = f'unable to upgrade connection: container not found ("{container}")'
    if cluster.pod_command is None:
        return failure(missing)
    try:
        async with cluster.pod_command(metadata["namespace"], metadata["name"], container, wanted) as running:
            await channels.send(socket, Channel.STDOUT, b"")
            return _ended(wanted, await attended(socket, running))
    except NotRunningError:
        return failure(missing)
    except NotExecutableError as why:
        return _not_started(str(why))


async def attended(socket: WebSocket, running: Attended) -> int:
    """Carry the streams to and fro until the command ends; its exit code. OSError as soon as the client is gone."""
    listening = asyncio.create_task(_listen(socket, running))
    printing = asyncio.create_task(running.until_ended(partial(channels.send, socket)))
    try:
        await asyncio.wait({listening, printing}, return_when=asyncio.FIRST_COMPLETED)
        if not printing.done():
            raise ConnectionResetError
        return printing.result()
    finally:
        listening.cancel()
        printing.cancel()
        await asyncio.gather(listening, printing, return_exceptions=True)


@rule("kubernetes", "channel 255 closes another", Provenance.RECORDED, "client-traffic.yaml exec_protocol.frames")
async def _listen(socket: WebSocket, running: Attended) -> None:
    """Take in what the client sends until it is gone."""
    async for channel, data in channels.incoming(socket):
        if channel == Channel.STDIN:
            running.write(data)
        elif channel == Channel.CLOSE and data == bytes([Channel.STDIN]):
            running.close_input()
        elif channel == Channel.RESIZE:
            _resize(running, data)


def _resize(running: Attended, data: bytes) -> None:
    """Give the terminal the size that the client tells; what cannot be read is passed over."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        size = json.loads(data)
        running.resize(int(size["Width"]), int(size["Height"]))


@rule("kubernetes", "the Status of a command", Provenance.RECORDED, "exec_protocol.status_success, status_exit_code")
@rule("kubernetes", "a command's exit code in words", Provenance.REPORTED, "containerd, kubectl exec -v8")
def _ended(wanted: Wanted, code: int) -> Json:
    if code == 0:
        return SUCCESS
    words = f"error executing command [{' '.join(wanted.command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {words}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


@rule("kubernetes", "exec that fails is InternalError", Provenance.RECORDED, "exec_protocol.status_start_error")
@rule("kubernetes", "exec where nothing runs", Provenance.REPORTED, "kubernetes/website#40775")
def failure(why: str) -> Json:
    """The Status of a conversation that could not be."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {why}",
        "reason": "InternalError",
        "details": {"causes": [{"message": why}]},
        "code": 500,
    }


@rule("kubernetes", "exec of no program", Provenance.REPORTED, "nigelpoulton/TheK8sBook#30, containerd/containerd#3597")
def _not_started(why: str) -> Json:
    """The node and the API server each say that it is an internal error."""
    runtime = f"OCI runtime exec failed: exec failed: unable to start container process: {why}: unknown"
    task = f'failed to exec in container: failed to start exec "{secrets.token_hex(32)}": {runtime}'
    return failure(f"Internal error occurred: error executing command in container: {task}")
