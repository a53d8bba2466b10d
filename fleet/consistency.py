"""What the parts of a fleet owe each other: nothing twice, in whatever spelling, and no reference into the void."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic_core import InitErrorDetails

from . import lookalikes, sharding
from .entries import Cluster, Identity, Vault, Workload
from .expansion import Expansion, Reading
from .known import Known
from .problems import Location, problem
from .sound import Part

_EVERYWHERE = {"vaults": ", and a vault's name is the only one in all of Azure"}


def absent(data: Mapping[str, Any], expansion: Expansion, reading: Reading) -> Iterator[InitErrorDetails]:
    """The parts without which there is no fleet, whoever was to bring their entries."""
    for part in ("identities", "workloads"):
        if expansion.parts[part] == [] and reading.complete and expansion.complete:
            yield problem((part,), "give at least one" if part in data else "this field is missing")


def problems(parts: Mapping[str, Part], expansion: Expansion, reading: Reading) -> Iterator[InitErrorDetails]:
    """Everything that is wrong between the parts ``clusters``, ``vaults``, ``identities`` and ``workloads``."""

    def where(part: str, position: int, *rest: str | int) -> str:
        place = expansion.places[part][position]
        return reading.place(place.within(rest)) + ("" if place.for_each is None else f", for_each[{place.for_each}]")

    yield from _same_names({**parts, "templates": expansion.templates}, where)
    yield from _same_clusters(parts["clusters"], where)
    for position, vault in cast("Iterable[tuple[int, Vault]]", parts["vaults"].items):
        yield from _repeated(("vaults", position, "secrets"), (secret.name.lower() for secret in vault.secrets))
    for position, identity in cast("Iterable[tuple[int, Identity]]", parts["identities"].items):
        yield from _repeated(("identities", position, "access"), (grant.vault for grant in identity.access))
    yield from _claimed_twice(parts["workloads"], where)
    yield from _missing_references(parts)


Where = Callable[..., str]


def _same_names(parts: Mapping[str, Part], where: Where) -> Iterator[InitErrorDetails]:
    """ARM, vault and application names compare without case; Kubernetes names are lower case anyway."""
    for part in ("clusters", "vaults", "identities", "templates"):
        named: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for position, item in parts[part].items:
            for name in sharding.names(item) if isinstance(item, Identity) else (item.name,):
                named[lookalikes.skeleton(name)].append((position, name))
        for alike in named.values():
            for position, name in alike if len(alike) > 1 else ():
                others = [(place, other) for place, other in alike if place != position]
                if others:
                    yield problem((part, position, "name"), _twice(part, name, others, where), name)


def _twice(part: str, name: str, others: list[tuple[int, str]], where: Where) -> str:
    place, other = others[0]
    also = where(part, place, "name") + (f" and {len(others) - 1} more" if len(others) > 1 else "")
    if name.casefold() != other.casefold():
        strange = lookalikes.strange(name) or f"of the other, {lookalikes.strange(other)}"
        return f"{name} looks like {other} at {also}: {strange}"
    return f"{name} is named more than once, also at {also}{_EVERYWHERE.get(part, '')}"


def _same_clusters(part: Part, where: Where) -> Iterator[InitErrorDetails]:
    """One cluster under two names would get two federated credentials of the same issuer and subject."""
    for field in ("context", "issuer"):
        first: dict[str, int] = {}
        for position, cluster in cast("Iterable[tuple[int, Cluster]]", part.items):
            value = getattr(cluster, field)
            if value is not None and (place := first.setdefault(value, position)) != position:
                message = f"{value} is already {where('clusters', place, field)}: a cluster has one name"
                yield problem(("clusters", position, field), message, value)


def _repeated(path: Location, names: Iterable[str]) -> Iterator[InitErrorDetails]:
    seen: dict[str, bool] = {}
    for name in names:
        seen[name] = name in seen
    yield from (problem(path, f"{name} is named more than once", name) for name, twice in seen.items() if twice)


def _claimed_twice(part: Part, where: Where) -> Iterator[InitErrorDetails]:
    places: dict[tuple[str, str, str], int] = {}
    deployments: dict[tuple[str, str, str], int] = {}
    for position, workload in cast("Iterable[tuple[int, Workload]]", part.items):
        here = ("workloads", position)
        yield from _repeated((*here, "clusters"), workload.clusters)
        if workload.deployment is not None:
            names = (container.name for container in workload.deployment.containers)
            yield from _repeated((*here, "deployment", "containers"), names)
        for cluster in workload.clusters:
            first = places.setdefault((cluster, workload.namespace, workload.service_account), position)
            if first != position:
                claimed = f"{workload} on {cluster} is already {where('workloads', first)}"
                yield problem(here, f"{claimed}: a ServiceAccount has one identity", str(workload))
            if workload.deployment is None:
                continue
            name = workload.deployment.name
            first = deployments.setdefault((cluster, workload.namespace, name), position)
            if first != position:
                message = f"{name} in {workload.namespace} on {cluster} is of {where('workloads', first)}"
                yield problem((*here, "deployment", "name"), message, name)


def _missing(known: Known, path: Location, name: str) -> Iterator[InitErrorDetails]:
    if message := known.missing(name):
        yield problem(path, message, name)


def _missing_references(parts: Mapping[str, Part]) -> Iterator[InitErrorDetails]:
    vaults = Known.of("vault", (vault.name for _, vault in parts["vaults"].items))
    secrets = {
        vault.name: Known.of(f"secret of {vault.name} called", (secret.name for secret in vault.secrets))
        for _, vault in parts["vaults"].items
    }
    clusters = Known.of("cluster", (cluster.name for _, cluster in parts["clusters"].items))
    identities = Known.of("identity", (name for _, item in parts["identities"].items for name in sharding.names(item)))
    if parts["vaults"].complete:
        for position, identity in cast("Iterable[tuple[int, Identity]]", parts["identities"].items):
            for place, grant in enumerate(identity.access):
                yield from _missing(vaults, ("identities", position, "access", place, "vault"), grant.vault)
    for position, workload in cast("Iterable[tuple[int, Workload]]", parts["workloads"].items):
        here = ("workloads", position)
        for place, cluster in enumerate(workload.clusters if parts["clusters"].complete else ()):
            yield from _missing(clusters, (*here, "clusters", place), cluster)
        if parts["identities"].complete:
            yield from _missing(identities, (*here, "identity"), workload.identity)
        if workload.verify is not None and parts["vaults"].complete:
            yield from _missing(vaults, (*here, "verify", "vault"), workload.verify.vault)
            if known := secrets.get(workload.verify.vault):
                yield from _missing(known, (*here, "verify", "secret"), workload.verify.secret)
        if workload.deployment is not None and workload.deployment.skip_containers:
            containers = Known.of("container", (container.name for container in workload.deployment.containers))
            for place, name in enumerate(workload.deployment.skip_containers):
                yield from _missing(containers, (*here, "deployment", "skip_containers", place), name)
