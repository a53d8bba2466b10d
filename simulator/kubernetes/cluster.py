"""One simulated cluster: its state, its store, its signing keys, and what runs inside it."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from simulator.clock import Clock, Skewed
from simulator.copying import copied

from . import apply, controllers, registry, signing
from .command_streams import Wanted
from .container_commands import Running
from .context import CONTROLLER, Options, User
from .definitions import resource_of
from .encoding import timestamp
from .resources import by_kind
from .store import Change, Store

Json = dict[str, Any]
Backend = Callable[[Json], Awaitable[Json]]
Controller = Callable[["Cluster"], Awaitable[None]]
PodLog = Callable[[str, str, str], bytes]
"""Namespace, pod and container to what it has printed."""
PodCommand = Callable[[str, str, str, Wanted], AbstractAsyncContextManager[Running]]
"""Namespace, pod, container and a command to the running command."""

_log = logging.getLogger(__name__)

_INITIAL_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass
class ClusterState:
    """What survives a restart of the simulator; JSON-able members only."""

    name: str
    fqdn: str
    """API server host name, ends with .azmk8s.io."""
    issuer: str
    """The issuer URL put into tokens, exactly as compared by whoever trusts it."""
    keys: list[str] = field(default_factory=list)
    """PEM private RSA-2048 keys, the signing one first; the others still verify."""
    version: str = "v1.36.2"
    entra_integrated: bool = False
    """Whether Entra tokens are accepted."""
    local_accounts: bool = True
    """Whether client certificates and the static token are accepted."""
    admins: list[str] = field(default_factory=list)
    """Entra object ids with full rights."""
    static_token: str = ""
    """The bearer token of the local administrator: 128 hexadecimal digits."""
    objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    """Resource key, then "namespace/name" ("/name" for cluster scope), then the object."""
    revision: int = 0
    ca: str = ""
    """PEM of the authority that vouches for the API server, published to the pods; may be empty."""
    unpublished: list[str] = field(default_factory=list)
    """What its issuer fails to publish: ``configuration``, ``keys``, or the ``newest key``."""
    clock_ahead: float = 0.0
    """Seconds by which its clock is ahead of the others'."""
    reachable: bool = True
    """Whether its API server answers."""


class Cluster:
    """The Kubernetes side of a managed cluster.

    Objects handed out are copies, except by :attr:`store`, whose objects must not be changed.
    """

    def __init__(self, state: ClusterState, clock: Clock, seed: int = 0) -> None:
        self.state = state
        self.clock: Clock = Skewed(clock, lambda: state.clock_ahead)
        self.store = Store(state)
        self.webhook_backends: dict[str, Backend] = {}
        """By "namespace/service": what answers admission reviews sent to that service."""
        self.known_tokens: dict[str, float] = {}
        """By the id of a token that was good: until when, in seconds of the clock, it is not looked into again."""
        self.pod_log: PodLog | None = None
        self.pod_command: PodCommand | None = None
        self.controllers: list[Controller] = [controllers.run]
        # The revision keeps a restored cluster from drawing the same names and uids again.
        self.random = random.Random(f"{seed}/{state.fqdn}/{state.revision}")
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def new(cls, *, name: str, fqdn: str, issuer: str, clock: Clock, seed: int = 0, **state: Any) -> Cluster:
        """A cluster as it comes up: signing key, static token, the initial namespaces. Not started."""
        given = ClusterState(name=name, fqdn=fqdn, issuer=issuer, **state)
        given.keys = given.keys or [signing.new_key()]
        given.static_token = given.static_token or secrets.token_hex(64)
        cluster = cls(given, clock, seed)
        for namespace in _INITIAL_NAMESPACES:
            cluster.write("namespaces", {"metadata": {"name": namespace}}, manager="kube-apiserver")
            controllers.furnish_namespace(cluster, namespace)
        cluster.write("services", controllers.api_service(), manager="kube-apiserver")
        return cluster

    def now(self) -> str:
        """The current instant as objects spell it."""
        return timestamp(self.clock.now())

    def new_uid(self) -> str:
        """A random uuid, version 4."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def get(self, resource: str, name: str, namespace: str = "") -> Json | None:
        """The object or None. ``resource`` is a key like "pods" or "deployments.apps"."""
        return copied(self.store.get(resource, namespace, name))

    def list(self, resource: str, namespace: str = "") -> list[Json]:
        """The objects by namespace and name, of all namespaces when none is given."""
        return copied(self.store.list(resource, namespace))

    async def create(
        self,
        resource: str,
        obj: Json,
        *,
        namespace: str = "",
        manager: str = "kube-controller-manager",
        dry_run: bool = False,
        user: User | None = None,
    ) -> Json:
        """Create an object as a POST does: defaults, admission with webhooks, validation.

        Raises :class:`~simulator.routing.Refusal` with the answer that the API would give.
        """
        options = Options(manager=manager, dry_run=dry_run, user=user or CONTROLLER)
        return copied(await registry.create(self, resource_of(self, resource), obj, namespace, options))

    def write(self, resource: str, obj: Json, *, manager: str = "kube-controller-manager") -> Json:
        """Create or replace the whole object including its status, without admission; nothing when nothing changed.

        For controllers only. ``kind`` and ``apiVersion`` may be left out.
        """
        return copied(registry.write(self, resource_of(self, resource), obj, manager))

    def remove(self, resource: str, name: str, namespace: str = "") -> None:
        """Delete the object at once, whatever its finalizers; nothing when it is not there."""
        if stored := self.store.get(resource, namespace, name):
            self.store.delete(resource, stored)

    def apply_manifest(self, obj: Json, *, manager: str) -> Json:
        """Server-side apply with force, without admission. ``obj`` names its kind, and its namespace if it has one."""
        resource = by_kind(obj["apiVersion"], obj["kind"])
        if resource is None:
            raise KeyError(f"{obj['apiVersion']} {obj['kind']}")
        return copied(apply.apply_manifest(self, resource, obj, manager))

    def subscribe(self) -> asyncio.Queue[tuple[str, str, Json]]:
        """A queue that gets (ADDED, MODIFIED or DELETED, resource key, object) of every change from now on."""
        queue: asyncio.Queue[tuple[str, str, Json]] = asyncio.Queue()

        def pass_on(change: Change) -> None:
            queue.put_nowait((change.type, change.resource, copied(change.object)))

        self.store.listen(pass_on)
        return queue

    def sign(self, claims: Json) -> str:
        """A JWT over the claims, RS256 with the first key."""
        return signing.sign(self.state.keys[0], claims)

    def jwks(self) -> Json:
        """The public keys, as the issuer publishes them."""
        keys = self.state.keys[1:] if "newest key" in self.state.unpublished else self.state.keys
        return {"keys": [signing.public_jwk(key) for key in keys]}

    async def start(self) -> None:
        """Run the controllers as tasks until :meth:`stop`. What one of them raises ends it and is logged."""
        for controller in self.controllers:
            self._tasks.append(asyncio.create_task(self._run(controller)))
        # One turn of the loop, so that every controller has subscribed when this returns.
        await asyncio.sleep(0)

    async def _run(self, controller: Controller) -> None:
        try:
            await controller(self)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - whatever a controller dies of must be told
            module = getattr(controller, "func", controller).__module__
            _log.exception("controller %s of cluster %s ended", module, self.state.name)

    async def stop(self) -> None:
        """End the controllers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
