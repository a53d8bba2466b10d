"""What the parts of a fleet file owe each other: no name twice, no reference into the void, no budget overrun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from . import naming

if TYPE_CHECKING:
    from .spec import Identity, Vault, Workload


@dataclass(frozen=True)
class Part:
    """The items of one list of the file that are sound by themselves, each with its position."""

    items: tuple[tuple[int, Any], ...]
    complete: bool
    """Whether every item was sound. Where not, a name that seems missing may stand in an item that is wrong."""


def wrong(message: str) -> PydanticCustomError:
    """A validation error with exactly this message."""
    return PydanticCustomError("fleet", "{message}", {"message": message})


def sound(raw: Any, model: type[BaseModel]) -> Part:
    """The items of a raw list that validate, by position; whatever is no list has none."""
    if raw is None:
        return Part((), complete=True)
    items: list[tuple[int, BaseModel]] = []
    complete = isinstance(raw, list | tuple)
    for position, item in enumerate(raw if complete else ()):
        try:
            items.append((position, model.model_validate(item)))
        except ValidationError:
            complete = False
    return Part(tuple(items), complete)


def kept(error: ValidationError) -> list[InitErrorDetails]:
    """The errors of another validation, to be raised together with further ones."""
    return [
        _problem(details["loc"], details["msg"], details.get("input"))
        for details in error.errors()
        if not (details["type"] == "too_short" and details["input"])  # short only because its items are wrong
    ]


def problems(parts: Mapping[str, Part]) -> list[InitErrorDetails]:
    """Everything that is wrong between the parts ``clusters``, ``vaults``, ``identities`` and ``workloads``."""
    return [*_duplicates(parts), *_missing_references(parts), *_over_budget(parts)]


def _problem(path: tuple[str | int, ...], message: str, value: object) -> InitErrorDetails:
    return InitErrorDetails(type=wrong(message), loc=path, input=value)


def _duplicates(parts: Mapping[str, Part]) -> Iterator[InitErrorDetails]:
    """ARM, vault and application names compare without case; Kubernetes names are lower case anyway."""
    for part in ("clusters", "vaults", "identities"):
        counts = Counter(item.name.lower() for _, item in parts[part].items)
        for position, item in parts[part].items:
            if counts[item.name.lower()] > 1:
                yield _problem((part, position, "name"), f"{item.name} is named more than once", item.name)
    for position, vault in cast("Iterable[tuple[int, Vault]]", parts["vaults"].items):
        yield from _repeated(("vaults", position, "secrets"), (secret.name.lower() for secret in vault.secrets))
    for position, identity in cast("Iterable[tuple[int, Identity]]", parts["identities"].items):
        yield from _repeated(("identities", position, "access"), (grant.vault for grant in identity.access))
    yield from _duplicate_workloads(parts["workloads"])


def _repeated(path: tuple[str | int, ...], names: Iterable[str]) -> Iterator[InitErrorDetails]:
    for name, count in Counter(names).items():
        if count > 1:
            yield _problem(path, f"{name} is named more than once", name)


def _duplicate_workloads(part: Part) -> Iterator[InitErrorDetails]:
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
                message = f"{workload} on {cluster} is already workloads[{first}]: a ServiceAccount has one identity"
                yield _problem(here, message, str(workload))
            if workload.deployment is None:
                continue
            first = deployments.setdefault((cluster, workload.namespace, workload.deployment.name), position)
            if first != position:
                message = f"{workload.deployment.name} in {workload.namespace} on {cluster} is of workloads[{first}]"
                yield _problem((*here, "deployment", "name"), message, workload.deployment.name)


def _missing(path: tuple[str | int, ...], what: str, name: str, known: Iterable[str]) -> InitErrorDetails:
    there_is = ", ".join(sorted(known)) or "none"
    return _problem(path, f"there is no {what} {name} in this file, there is: {there_is}", name)


def _missing_references(parts: Mapping[str, Part]) -> Iterator[InitErrorDetails]:
    vaults = {vault.name: {secret.name for secret in vault.secrets} for _, vault in parts["vaults"].items}
    if parts["vaults"].complete:
        for position, identity in cast("Iterable[tuple[int, Identity]]", parts["identities"].items):
            for place, grant in enumerate(identity.access):
                if grant.vault not in vaults:
                    yield _missing(("identities", position, "access", place, "vault"), "vault", grant.vault, vaults)
    clusters = {cluster.name for _, cluster in parts["clusters"].items}
    identities = {identity.name for _, identity in parts["identities"].items}
    for position, workload in cast("Iterable[tuple[int, Workload]]", parts["workloads"].items):
        here = ("workloads", position)
        for place, cluster in enumerate(workload.clusters):
            if parts["clusters"].complete and cluster not in clusters:
                yield _missing((*here, "clusters", place), "cluster", cluster, clusters)
        if parts["identities"].complete and workload.identity not in identities:
            yield _missing((*here, "identity"), "identity", workload.identity, identities)
        if workload.verify is not None and parts["vaults"].complete:
            yield from _missing_check((*here, "verify"), workload.verify.vault, workload.verify.secret, vaults)
        if workload.deployment is not None:
            containers = {container.name for container in workload.deployment.containers}
            for place, name in enumerate(workload.deployment.skip_containers):
                if name not in containers:
                    yield _missing((*here, "deployment", "skip_containers", place), "container", name, containers)


def _missing_check(
    path: tuple[str | int, ...], vault: str, secret: str, vaults: Mapping[str, set[str]]
) -> Iterator[InitErrorDetails]:
    if vault not in vaults:
        yield _missing((*path, "vault"), "vault", vault, vaults)
    elif secret not in vaults[vault]:
        yield _missing((*path, "secret"), f"secret of {vault} called", secret, vaults[vault])


def _over_budget(parts: Mapping[str, Part]) -> Iterator[InitErrorDetails]:
    """An identity trusts at most 20 (issuer, subject) pairs."""
    limit = naming.MAX_FEDERATED_CREDENTIALS
    pairs = Counter(workload.identity for _, workload in parts["workloads"].items for _ in workload.clusters)
    for position, identity in parts["identities"].items:
        if (count := pairs[identity.name]) > limit:
            message = (
                f"{identity.name} would need {count} federated credentials, one per workload and cluster, and an "
                f"identity holds at most {limit}: spread its workloads over {-(-count // limit)} identities"
            )
            yield _problem(("identities", position), message, identity.name)
