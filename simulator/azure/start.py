"""What exists when the simulation begins: read from YAML, then built."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from . import authorization, features, roles
from .application_body import blank
from .clusters import add_cluster
from .graph_service_principals import body_of
from .managed_identities import add_identity
from .state import Application, Operator, Registration, ServicePrincipal, Subscription
from .subscriptions import new_group
from .wire import seconds_z

if TYPE_CHECKING:
    from simulator.simulation import Simulation

Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TenantStart(_Strict):
    """The one tenant."""

    id: Guid
    display_name: str
    domain: str


class GroupStart(_Strict):
    """A resource group."""

    name: str
    location: str


class ClusterStart(_Strict):
    """A managed cluster that runs already. ``location`` '' is its group's, ``version`` '' the latest."""

    resource_group: str
    name: str
    location: str = ""
    version: str = ""
    oidc_issuer: bool = True
    workload_identity: bool = False
    entra_integrated: bool = False
    local_accounts: bool = True


class ManagedIdentityStart(_Strict):
    """A managed identity that is there already. ``location`` '' is its group's."""

    resource_group: str
    name: str
    location: str = ""
    client_id: Guid


class FeatureStart(_Strict):
    """A preview feature, ``Namespace/Name``."""

    name: Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+$")]
    state: Literal["NotRegistered", "Registered", "Unregistered"] = "NotRegistered"
    gone: bool = False
    stuck: bool = False
    needs_approval: bool = False
    enforced: bool = False


class SubscriptionStart(_Strict):
    """A subscription. Providers not mentioned are registered."""

    id: Guid
    name: str
    resource_groups: tuple[GroupStart, ...] = ()
    clusters: tuple[ClusterStart, ...] = ()
    managed_identities: tuple[ManagedIdentityStart, ...] = ()
    features: tuple[FeatureStart, ...] = ()
    providers: dict[str, Literal["NotRegistered", "Registered", "Unregistered"]] = Field(default_factory=dict)


class RoleStart(_Strict):
    """A built-in role on a subscription, both by name."""

    role: str
    scope: str


class OperatorStart(_Strict):
    """Who administers this cloud. The secret is the simulator's own and opens nothing else."""

    name: str
    client_id: Guid
    client_secret: str
    object_id: Guid
    roles: tuple[RoleStart, ...] = ()
    graph: tuple[str, ...] = ()
    cluster_admin: bool = False


class Start(_Strict):
    """The whole beginning."""

    tenant: TenantStart
    subscriptions: Annotated[tuple[SubscriptionStart, ...], Field(min_length=1)]
    operators: Annotated[tuple[OperatorStart, ...], Field(min_length=1)]


def load(text: str, clusters: Sequence[str] = ()) -> Start:
    """Read the YAML. ``clusters`` are further ones, each ``RESOURCE_GROUP/NAME``, in the first subscription.

    Raises ValueError, of which pydantic's ValidationError is one, that says what is wrong with it.
    """
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"not YAML: {error}"
        raise ValueError(message) from None
    start = Start.model_validate(value)
    first, *others = start.subscriptions
    for named in clusters:
        first = _with_cluster(first, named)
    return start.model_copy(update={"subscriptions": (first, *others)})


def _with_cluster(one: SubscriptionStart, named: str) -> SubscriptionStart:
    place, _, name = named.partition("/")
    if not place or not name or not one.resource_groups:
        message = f"cluster '{named}': write RESOURCE_GROUP/NAME"
        raise ValueError(message)
    groups = one.resource_groups
    if place.lower() not in {group.name.lower() for group in groups}:
        groups += (GroupStart(name=place, location=groups[0].location),)
    more = (*one.clusters, ClusterStart(resource_group=place, name=name))
    return one.model_copy(update={"resource_groups": groups, "clusters": more})


async def begin(simulation: Simulation, start: Start) -> None:
    """Fill an empty simulation with what ``start`` says; its clusters are running when this returns.

    Raises ValueError where a role, a subscription or a resource group is named that there is not.
    """
    azure = simulation.azure
    azure.tenant_id, azure.tenant_name = start.tenant.id, start.tenant.display_name
    azure.tenant_domain = start.tenant.domain
    for one in start.subscriptions:
        _subscription(simulation, one)
    for operator in start.operators:
        _operator(simulation, operator)
    for one in start.subscriptions:
        for cluster in one.clusters:
            await _cluster(simulation, one, cluster)


def _subscription(simulation: Simulation, one: SubscriptionStart) -> None:
    azure = simulation.azure
    flags = {
        flag.name.lower(): Registration(
            flag.name,
            flag.state,
            stuck=flag.stuck,
            gone=flag.gone,
            needs_approval=flag.needs_approval,
            enforced=flag.enforced,
        )
        for flag in one.features
    }
    states = dict.fromkeys(features.RESOURCE_TYPES, "Registered") | one.providers
    providers = {name.lower(): Registration(name, state) for name, state in states.items()}
    azure.subscriptions[one.id] = Subscription(one.id, one.name, flags, providers)
    for group in one.resource_groups:
        body = new_group(one.id, group.name, group.location)
        azure.resource_groups[body["id"].lower()] = body
    for identity in one.managed_identities:
        _managed_identity(simulation, one, identity)


def _managed_identity(simulation: Simulation, one: SubscriptionStart, identity: ManagedIdentityStart) -> None:
    group = next((group for group in one.resource_groups if group.name == identity.resource_group), None)
    if group is None:
        message = f"managed identity {identity.name}: there is no resource group '{identity.resource_group}'"
        raise ValueError(message)
    place = new_group(one.id, group.name, group.location)
    location = identity.location or group.location
    made = add_identity(simulation, place, identity.name, location, {}, identity.client_id)
    made.visible_at = simulation.azure.service_principals[made.body["properties"]["principalId"]].visible_at = (
        simulation.clock.now()
    )


def _operator(simulation: Simulation, one: OperatorStart) -> None:
    """The operator is an application of the tenant like any other, only that it was there before."""
    azure, now = simulation.azure, simulation.clock.now()
    azure.operators.append(
        Operator(one.name, one.client_id, one.client_secret, one.object_id, list(one.graph), one.cluster_admin)
    )
    key = str(uuid.uuid5(uuid.UUID(one.client_id), "secret"))
    password = {
        "customKeyIdentifier": None,
        "displayName": "simulator",
        "endDateTime": seconds_z(now + timedelta(days=3650)),
        "hint": one.client_secret[:3],
        "keyId": key,
        "secretText": None,
        "startDateTime": seconds_z(now),
    }
    app = blank(azure) | {
        "id": str(uuid.uuid5(uuid.UUID(one.client_id), "application")),
        "appId": one.client_id,
        "displayName": one.name,
        "createdDateTime": seconds_z(now),
        "signInAudience": "AzureADMyOrg",
        "passwordCredentials": [password],
    }
    azure.applications[app["id"]] = Application(app, now, one.object_id, secrets={key: one.client_secret})
    principal = body_of(azure, app, "Application", now) | {"id": one.object_id}
    azure.service_principals[one.object_id] = ServicePrincipal(principal, now)
    for held in one.roles:
        _role(simulation, one, held)


def _role(simulation: Simulation, one: OperatorStart, held: RoleStart) -> None:
    scopes = {sub.name: sub.id for sub in simulation.azure.subscriptions.values()}
    if held.role not in roles.BY_NAME or held.scope not in scopes:
        message = f"operator {one.name}: there is no role '{held.role}' or no subscription '{held.scope}'"
        raise ValueError(message)
    scope, role = f"/subscriptions/{scopes[held.scope]}", roles.BY_NAME[held.role].id
    name = str(uuid.uuid5(uuid.UUID(one.object_id), f"{scope} {role}"))
    made = authorization.assign(simulation, one.object_id, scope, name, one.object_id, role, "ServicePrincipal")
    made.effective_at = simulation.clock.now()


async def _cluster(simulation: Simulation, one: SubscriptionStart, cluster: ClusterStart) -> None:
    if cluster.resource_group.lower() not in {group.name.lower() for group in one.resource_groups}:
        message = f"cluster {cluster.name}: there is no resource group '{cluster.resource_group}'"
        raise ValueError(message)
    await add_cluster(
        simulation,
        subscription=one.id,
        resource_group=cluster.resource_group,
        name=cluster.name,
        location=cluster.location,
        version=cluster.version,
        oidc_issuer=cluster.oidc_issuer,
        workload_identity=cluster.workload_identity,
        entra_integrated=cluster.entra_integrated,
        local_accounts=cluster.local_accounts,
    )
