"""Fleets and worlds to plan in: built by hand for examples, drawn at random for laws.

A world is the :class:`~fleet.observed.Observed` that the links would bring home. It is derived from the fleet's wanted
objects, so that "everything is as wanted" does not rest on the planner under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hypothesis import strategies as st

from fleet.observed import Found, Observed, Tenancy, Unknown
from fleet.resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    PreviewFeature,
    Resource,
    RoleAssignment,
    Secret,
    ServiceAccount,
    ServicePrincipal,
    Vault,
    Webhook,
)
from fleet.spec import Container, Fleet, VaultAuthorization, WebhookDelivery
from fleet.wanted import OPERATOR, wanted

TENANCY = Tenancy(
    tenant_id="11111111-1111-1111-1111-111111111111",
    subscription_id="22222222-2222-2222-2222-222222222222",
    subscription_name="Playground",
    operator_id="33333333-3333-3333-3333-333333333333",
)
FLEET = "testing"
OTHER_FLEET = "somebody-else"

_OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "cluster": ("issuer",),
    "application": ("client_id", "object_id"),
    "service-principal": ("principal_id",),
    "managed-identity": ("client_id", "principal_id"),
}
_PARENTED = frozenset({"federated-credential", "role-assignment", "access-policy", "secret", "service-principal"})
"""Kinds that cannot be seen, or cannot exist, without what they hang on."""


# Fleets by hand


def aks(name: str = "one", **fields: Any) -> dict[str, Any]:
    """An AKS cluster of a fleet file."""
    return {"name": name, "resource_group": "group", **fields}


def elsewhere(name: str = "far", **fields: Any) -> dict[str, Any]:
    """A cluster that is not AKS."""
    return {"name": name, "context": name, "issuer": f"https://issuer.example/{name}", **fields}


def vault(name: str = "vault", secrets: Iterable[str] = ("secret",), **fields: Any) -> dict[str, Any]:
    """A vault with secrets of these names, by access policy unless told otherwise."""
    named = [{"name": secret, "value_from": {"env": "VALUE"}} for secret in secrets]
    place = {"resource_group": "group", "location": "westeurope"}
    return {"name": name, **place, "authorization": "access-policy", "secrets": named, **fields}


def application(name: str = "app", **fields: Any) -> dict[str, Any]:
    """An identity that is an application and may get the secrets of the vault."""
    return {"name": name, "access": [{"vault": "vault"}], **fields}


def managed(name: str = "managed", **fields: Any) -> dict[str, Any]:
    """An identity that is a managed identity."""
    place = {"resource_group": "group", "location": "westeurope"}
    return {"name": name, "kind": "managed-identity", **place, "access": [{"vault": "vault"}], **fields}


def deployment(name: str = "web", **fields: Any) -> dict[str, Any]:
    """A Deployment of one container."""
    return {"name": name, "containers": [{"name": "main", "image": "image:1", "env": {"A": "1"}}], **fields}


def workload(service_account: str = "account", **fields: Any) -> dict[str, Any]:
    """A workload of the application on cluster one."""
    return {
        "namespace": "space",
        "service_account": service_account,
        "clusters": ["one"],
        "identity": "app",
        **fields,
    }


def fleet_data(**parts: Any) -> dict[str, Any]:
    """A whole fleet file as data: one cluster, vault, application and workload, but for ``parts``."""
    return {
        "name": FLEET,
        "subscription": "Playground",
        "clusters": [aks()],
        "vaults": [vault()],
        "identities": [application()],
        "workloads": [workload(deployment=deployment())],
        **parts,
    }


def a_fleet(**parts: Any) -> Fleet:
    """A valid fleet: :func:`fleet_data`, validated."""
    return Fleet.model_validate(fleet_data(**parts))


# Worlds by hand


def invented(key: str, generation: str = "old") -> dict[str, str]:
    """What an object of this key would tell, made up; another generation tells something else."""
    outputs = {output: f"{output}-of-{key}-{generation}" for output in _OUTPUTS.get(key.partition(":")[0], ())}
    if "issuer" in outputs:
        outputs["issuer"] = f"https://issuer.example/{key.partition(':')[2]}/{generation}/"
    return outputs


def empty(**parts: Any) -> Observed:
    """A world in which there is nothing yet."""
    return Observed(tenancy=TENANCY, **parts)


def as_wanted(fleet: Fleet, clusters: str = "old") -> Observed:
    """A world in which every object is as the fleet says, its ``clusters`` of this generation."""
    outputs: dict[str, dict[str, str]] = {}
    found = []
    for item in wanted(fleet, empty()):
        generation = clusters if item.resource.kind == "cluster" else "old"
        outputs[item.resource.key] = invented(item.resource.key, generation)
        resource = item.resource.resolved(outputs)
        found.append(Found(resource=as_observed(resource), outputs=outputs[item.resource.key]))
    return empty(found=tuple(found))


def as_observed(resource: Resource) -> Resource:
    """The object as its link sees it: what the cloud does not tell of it is not there."""
    if isinstance(resource, FederatedIdentityCredential):
        return resource.model_copy(update={"name": resource.wanted_name, "cluster": ""})
    if isinstance(resource, RoleAssignment):
        return resource.model_copy(update={"identity": ""})
    if isinstance(resource, AccessPolicy):
        return resource.model_copy(update={"identity": OPERATOR})
    if isinstance(resource, ClusterSettings):
        return resource.model_copy(update={"workload_identity": bool(resource.workload_identity)})
    return resource


def first(observed: Observed, kind: str) -> Found:
    """The first found object of a kind."""
    return next(found for found in observed.found if found.resource.kind == kind)


def changed(observed: Observed, kind: str, *, outputs: dict[str, str] | None = None, **fields: Any) -> Observed:
    """The world with fields of the first object of a kind changed; ``ours`` and ``adopted`` are of the evidence."""
    old = first(observed, kind)
    evidence = {name: fields.pop(name) for name in ("ours", "adopted") if name in fields}
    update = {"resource": old.resource.model_copy(update=fields), **evidence}
    if outputs is not None:
        update["outputs"] = outputs
    new = old.model_copy(update=update)
    return empty(
        found=tuple(new if found is old else found for found in observed.found),
        unknown=observed.unknown,
        conflicts=observed.conflicts,
        vanished=observed.vanished,
    )


def without(observed: Observed, *kinds: str) -> Observed:
    """The world without the objects of these kinds."""
    return only(observed, lambda found: found.resource.kind not in kinds)


def only(observed: Observed, keep: Callable[[Found], bool]) -> Observed:
    """The world with only those objects that ``keep`` holds for."""
    found = tuple(found for found in observed.found if keep(found))
    return empty(found=found, unknown=observed.unknown, conflicts=observed.conflicts, vanished=observed.vanished)


def unseen(observed: Observed, through: str, reason: str = "it did not answer") -> Observed:
    """The world with one look at it failed."""
    seen = only(observed, lambda found: found.resource.seen_through != through)
    return empty(
        found=seen.found,
        unknown=(*observed.unknown, Unknown(through=through, reason=reason)),
        conflicts=observed.conflicts,
        vanished=observed.vanished,
    )


# Fleets and worlds at random

NAMESPACES = ("space", "room")
SOME = st.booleans()


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Small fleets with everything in them that a fleet file can say."""
    clusters = [
        draw(
            st.sampled_from(
                [
                    aks(name),
                    aks(name, preview_features=["EnableOIDCIssuerPreview"]),
                    aks(name, webhook="addon"),
                    elsewhere(name),
                ]
            )
        )
        for name in draw(_some_of("one", "two"))
    ]
    vaults = [
        vault(
            name,
            draw(st.sampled_from([(), ("secret",), ("secret", "other")])),
            authorization=draw(st.sampled_from(list(VaultAuthorization))),
            soft_deleted=draw(st.sampled_from(["refuse", "recover"])),
            adopt=draw(SOME),
        )
        for name in draw(st.sampled_from([("vault",), ("vault", "safe"), ()]))
    ]
    identities = [draw(_identities(name, [vault["name"] for vault in vaults])) for name in draw(_some_of("app", "bot"))]
    workloads = [
        workload(
            account,
            namespace=draw(st.sampled_from(NAMESPACES)),
            clusters=draw(_some_of(*(cluster["name"] for cluster in clusters))),
            identity=draw(st.sampled_from([identity["name"] for identity in identities])),
            token_expiration=draw(st.sampled_from([None, 7200])),
            deployment=draw(
                st.sampled_from(
                    [None, deployment(f"of-{account}"), deployment(f"of-{account}", skip_containers=["main"])]
                )
            ),
            adopt=draw(SOME),
        )
        for account in draw(_some_of("alpha", "beta", "gamma"))
    ]
    adopt = draw(st.sampled_from([False, False, False, True]))
    return a_fleet(clusters=clusters, vaults=vaults, identities=identities, workloads=workloads, adopt=adopt)


def _some_of(*names: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), min_size=1, unique=True)


@st.composite
def _identities(draw: st.DrawFn, name: str, vaults: list[str]) -> dict[str, Any]:
    access = [
        {
            "vault": vault,
            "secrets": draw(st.sampled_from([["get"], ["get", "list"], []])),
            "roles": draw(st.sampled_from([[], ["Reader"]])),
        }
        for vault in vaults
        if draw(SOME)
    ]
    make = draw(st.sampled_from([application, managed]))
    return make(name, access=access, adopt=draw(SOME))


@st.composite
def worlds(draw: st.DrawFn, fleet: Fleet) -> Observed:
    """Worlds near the wanted one: some objects gone, drifted, foreign, or out of sight."""
    picture = as_wanted(fleet)
    gone: set[str] = set()
    found: list[Found] = []
    conflicts: dict[str, str] = {}
    for item, there in zip(wanted(fleet, empty()), picture.found, strict=True):
        key, kind = item.resource.key, item.resource.kind
        orphaned = kind in _PARENTED and gone.intersection(item.needs)
        lost = kind in ("service-account", "deployment") and any(need.startswith("namespace:") for need in item.needs)
        lost = lost and bool(gone.intersection(item.needs))
        fate = draw(st.sampled_from(["stays", "stays", "stays", "gone", "drifts", "is foreign"]))
        if orphaned or lost or fate == "gone":
            gone.add(key)
            if kind == "cluster":
                conflicts[key] = "there is no such cluster"
        elif fate == "drifts" and (drifted := drifts(there)):
            found.append(draw(st.sampled_from(drifted)))
        elif fate == "is foreign" and (strangers := foreign(there)):
            found.append(draw(st.sampled_from(strangers)))
        else:
            found.append(there)
    found = draw(some_adopted(found))
    observed = empty(found=tuple(found), conflicts=conflicts)
    for through in draw(st.sets(st.sampled_from(sorted({item.resource.seen_through for item in picture.found})))):
        if draw(st.sampled_from([False, False, False, True])):
            observed = unseen(observed, through)
    return observed


@st.composite
def some_adopted(draw: st.DrawFn, found: Iterable[Found]) -> list[Found]:
    """The objects, of which the fleet has adopted some instead of making them."""
    candidates = [one for one in found if can_be_adopted(one)]
    chosen = draw(st.sets(st.sampled_from([one.resource.key for one in candidates]))) if candidates else set()
    return [
        one.model_copy(update={"adopted": True}) if can_be_adopted(one) and one.resource.key in chosen else one
        for one in found
    ]


def can_be_adopted(found: Found) -> bool:
    """Whether the object carries a mark of ours, and may carry that it was there before."""
    kinds = (Vault, Application, ManagedIdentity, ServiceAccount, Deployment)
    return found.ours and isinstance(found.resource, kinds) and found.resource.owner == FLEET


def drifts(found: Found) -> list[Found]:
    """The object with one field not as wanted."""
    resource = found.resource
    if isinstance(resource, ClusterSettings) and resource.oidc_issuer:
        off = resource.model_copy(update={"oidc_issuer": False})
        addon = [found.model_copy(update={"resource": resource.model_copy(update={"workload_identity": False})})]
        return [
            found.model_copy(update={"resource": off, "outputs": {}}),
            *(addon if resource.workload_identity else ()),
        ]
    return [
        found.model_copy(update={"resource": resource.model_copy(update=update)})
        for update in _FIELDS.get(type(resource), ())
    ]


_FIELDS: Mapping[type[Resource], tuple[dict[str, Any], ...]] = {
    PreviewFeature: ({"state": "NotRegistered"}, {"state": "Registering"}),
    Webhook: (
        {"version": "1.5.0"},
        {"tenant_id": "another"},
        {"serving": False},
        {"delivery": WebhookDelivery.ADDON},
        {"delivery": WebhookDelivery.CHART},
    ),
    Vault: (
        {"authorization": VaultAuthorization.RBAC},
        {"authorization": VaultAuthorization.ACCESS_POLICY},
        {"soft_deleted": True},
    ),
    Secret: ({"value": "different"}, {"value": "disabled"}, {"soft_deleted": True}),
    Application: ({"display_name": "renamed"}, {"sign_in_audience": "AzureADMultipleOrgs"}, {"owner": None}),
    ServicePrincipal: ({"account_enabled": False}, {"owner": None}),
    FederatedIdentityCredential: (
        {"subject": "system:serviceaccount:space:somebody"},
        {"issuer": "https://issuer.example/wrong"},
        {"audience": "api://wrong"},
        {"name": "made-by-hand"},
        {"name": "made-by-hand", "audience": "api://wrong"},
    ),
    RoleAssignment: ({"principal_id": "somebody"}, {"role": "Owner"}),
    AccessPolicy: ({"secrets": ()}, {"secrets": ("All",)}, {"secrets": ("Get",)}, {"principal_id": "somebody"}),
    ServiceAccount: (
        {"client_id": None},
        {"client_id": "another"},
        {"tenant_id": "another"},
        {"token_expiration": "86400"},
        {"owner": None},
    ),
    Deployment: (
        {"replicas": 7},
        {"use": None},
        {"service_account": "default"},
        {"skip_containers": "other"},
        {"containers": (Container(name="main", image="image:0"),)},
        {"containers": (Container(name="stranger", image="image:9"),)},
    ),
}


def foreign(found: Found) -> list[Found]:
    """The object as somebody else's: unmarked, or of another fleet."""
    if not isinstance(found.resource, Vault | Application | ManagedIdentity | Namespace | ServiceAccount | Deployment):
        return []
    return [
        found.model_copy(update={"resource": found.resource.model_copy(update={"owner": owner}), "ours": False})
        for owner in (None, OTHER_FLEET)
    ]


@st.composite
def situations(draw: st.DrawFn) -> tuple[Fleet, Observed]:
    """A fleet and a world to reconcile it with."""
    fleet = draw(fleets())
    return fleet, draw(worlds(fleet))
