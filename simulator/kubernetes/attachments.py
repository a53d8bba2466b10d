"""``kubectl attach``: what a container prints from now on, over a WebSocket as commands have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from simulator.provenance import Provenance, doubt, rule

from . import channels, executions, logs
from .channels import Channel

if TYPE_CHECKING:
    from simulator.simulation import Simulation
    from simulator.upgrades import WebSocket

    from .cluster import Cluster
    from .container_commands import Tell

Json = dict[str, Any]


@rule("kubernetes", "attach to a running container", Provenance.DOCUMENTED, "kubectl attach; pods/attach, v5.channel")
def answer(simulation: Simulation, cluster: Cluster, pod: Json, request: Request) -> Response:
    """The answer to ``pods/attach`` for a pod that is there."""

    async def converse(container: str, socket: WebSocket) -> None:
        await channels.finish(socket, await _outcome(cluster, pod, container, socket))

    return executions.upgraded(simulation, pod, request, converse)


async def _outcome(cluster: Cluster, pod: Json, container: str, socket: WebSocket) -> Json:
    if not logs.is_running(cluster, pod, container):
        return executions.failure(f'unable to upgrade connection: container not found ("{container}")')
    attached = _Attached(cluster, pod, container, len(logs.read(cluster, pod, container)))
    await channels.send(socket, Channel.STDOUT, b"")
    await executions.attended(socket, attached)
    return executions.SUCCESS


@dataclass
class _Attached:
    """What attends a container: it listens, and has nothing to say to one whose input nobody opened."""

    cluster: Cluster
    pod: Json
    container: str
    printed: int
    """How many bytes it had printed before."""

    @doubt(
        "kubernetes",
        "which of a container's two streams printed a line",
        "all of it is sent as standard output, for its log has them mingled",
        "the simulator's own processes write both to one file",
    )
    async def until_ended(self, tell: Tell) -> int:
        """Pass on what the container prints until it has ended."""
        async for text in logs.onward(self.cluster, self.pod, self.container, self.printed):
            await tell(Channel.STDOUT, text)
        return 0

    def write(self, data: bytes) -> None:
        """Nobody reads it."""

    def close_input(self) -> None:
        """There is none."""

    def resize(self, width: int, height: int) -> None:
        """There is no terminal."""
