"""Azure Resource Manager through the SDKs: what our flows do not ask, but az, a portal or a script does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.core.polling.arm_polling import ARMPolling
from azure.mgmt.msi import ManagedServiceIdentityClient
from sdk_operator import GROUP, REGION, Operator, told

from tests.clients.served import ServedCloud

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTAINERS = "Microsoft.ContainerService"
FEATURE = "EnableOIDCIssuerPreview"
IDENTITY_VERSION = "2022-01-31-preview"
"""The version of the SDK that still lists what an identity is used for."""


def names(listed: Any) -> list[str]:
    return [one.name for one in listed]


def header(response: Any, name: str) -> str:
    return str(response.http_response.headers[name])


ASKED: dict[str, tuple[Callable[[Operator], Any], Any]] = {
    "a subscription": (
        lambda own: own.subscriptions.subscriptions.get(own.subscription).display_name,
        "Visual Studio Premium with MSDN",
    ),
    "the tenants": (
        lambda own: [one.tenant_id for one in own.subscriptions.tenants.list()],
        ["11111111-1111-4111-8111-111111111111"],
    ),
    "the groups": (lambda own: GROUP in names(own.resources.resource_groups.list()), True),
    "a group": (lambda own: own.resources.resource_groups.get(GROUP).location, REGION),
    "whether there is a group": (lambda own: own.resources.resource_groups.check_existence(GROUP), True),
    "whether there is another": (lambda own: own.resources.resource_groups.check_existence("nowhere"), False),
    "the resources of a type": (
        lambda own: names(own.resources.resources.list(filter=f"resourceType eq '{CONTAINERS}/managedClusters'")),
        ["sysadminas"],
    ),
    "the resources of a group": (
        lambda own: "sysadminas" in names(own.resources.resources.list_by_resource_group(GROUP)),
        True,
    ),
    "the providers": (
        lambda own: CONTAINERS in [one.namespace for one in own.resources.providers.list()],
        True,
    ),
    "the features of all providers": (
        lambda own: names(own.features.features.list_all()),
        [f"{CONTAINERS}/{FEATURE}"],
    ),
    "the features of a provider": (
        lambda own: names(own.features.features.list(CONTAINERS)),
        [f"{CONTAINERS}/{FEATURE}"],
    ),
    "the clusters of a group": (
        lambda own: names(own.clusters.managed_clusters.list_by_resource_group(GROUP)),
        ["sysadminas"],
    ),
    "the versions of Kubernetes": (
        lambda own: [
            one.is_default
            for one in own.clusters.managed_clusters.list_kubernetes_versions(REGION).values_property
            if one.is_default
        ],
        [True],
    ),
    "the managed HSMs": (lambda own: list(own.vaults.managed_hsms.list_by_subscription()), []),
    "the managed HSMs of a group": (lambda own: list(own.vaults.managed_hsms.list_by_resource_group(GROUP)), []),
    "the deleted managed HSMs": (lambda own: list(own.vaults.managed_hsms.list_deleted()), []),
    "a role of everywhere by its name": (
        lambda own: names(own.authorization.role_definitions.list("/", filter="roleName eq 'Reader'")),
        [READER],
    ),
    "a role of a subscription by its name": (
        lambda own: names(own.authorization.role_definitions.list(own.scope, filter="roleName eq 'Reader'")),
        [READER],
    ),
    "a role by its id": (
        lambda own: (
            own.authorization.role_definitions.get_by_id(
                f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"
            ).role_name
        ),
        "Reader",
    ),
    "a role of a subscription": (
        lambda own: own.authorization.role_definitions.get(own.scope, READER).role_name,
        "Reader",
    ),
    "how many reads are left": (
        lambda own: own.resources.resource_groups.get(
            GROUP, cls=lambda response, *_: header(response, "x-ms-ratelimit-remaining-subscription-global-reads")
        ),
        "16499",
    ),
    "what the operator may do": (
        lambda own: next(one.actions for one in own.authorization.permissions.list_for_resource_group(GROUP)),
        ["*"],
    ),
}


@pytest.mark.parametrize("what", ASKED)
def test_the_sdk_finds_out(operator: Operator, what: str) -> None:
    ask, expected = ASKED[what]
    assert ask(operator) == expected


def test_a_group_is_made_and_found_empty(operator: Operator) -> None:
    groups = operator.resources.resource_groups
    assert groups.create_or_update("made", {"location": REGION}).properties.provisioning_state == "Succeeded"
    assert names(operator.vaults.vaults.list_by_resource_group("made")) == []
    assert names(operator.identities.user_assigned_identities.list_by_resource_group("made")) == []
    with pytest.raises(HttpResponseError) as refusal:
        groups.create_or_update("made", {"location": "northeurope"})
    assert told(refusal.value) == (409, "InvalidResourceGroupLocation")


def test_a_feature_is_registered_and_unregistered_by_the_newer_surface(operator: Operator) -> None:
    registrations = operator.features.subscription_feature_registrations
    made = registrations.create_or_update(CONTAINERS, FEATURE, {"properties": {}})
    assert made.properties.state == "Registered"
    assert registrations.get(CONTAINERS, FEATURE).properties.state == "Registered"
    assert len(list(registrations.list_by_subscription(CONTAINERS))) == 1
    assert len(list(registrations.list_all_by_subscription())) == 1
    registrations.delete(CONTAINERS, FEATURE)
    assert list(registrations.list_by_subscription(CONTAINERS)) == []


def make_cluster(operator: Operator, name: str) -> None:
    pools = [{"name": "one", "count": 1, "vmSize": "Standard_B2s", "mode": "System"}]
    properties = {"dnsPrefix": name, "agentPoolProfiles": pools}
    body = {"location": REGION, "identity": {"type": "SystemAssigned"}, "properties": properties}
    operator.clusters.managed_clusters.begin_create_or_update(GROUP, name, body).result()


def test_a_cluster_is_tagged(operator: Operator) -> None:
    make_cluster(operator, "tagged")
    tagged = operator.clusters.managed_clusters.begin_update_tags(GROUP, "tagged", {"tags": {"team": "shop"}})
    assert tagged.result().tags == {"team": "shop"}


@pytest.mark.parametrize("final_state", ["azure-async-operation", "location"])
def test_a_clusters_deletion_is_awaited_either_way(operator: Operator, final_state: str) -> None:
    """Some languages' SDKs end the wait with the operation itself, others with what Location leads to."""
    make_cluster(operator, final_state)
    polling = ARMPolling(lro_options={"final-state-via": final_state})
    operator.clusters.managed_clusters.begin_delete(GROUP, final_state, polling=polling).result()
    with pytest.raises(ResourceNotFoundError):
        operator.clusters.managed_clusters.get(GROUP, final_state)


def test_a_vaults_name_is_taken_until_it_is_purged(operator: Operator) -> None:
    operator.secrets("kv-to-purge")
    vaults = operator.vaults.vaults

    def is_free() -> bool | None:
        return vaults.check_name_availability(
            {"name": "kv-to-purge", "type": "Microsoft.KeyVault/vaults"}
        ).name_available

    assert is_free() is False
    vaults.delete(GROUP, "kv-to-purge")
    assert vaults.get_deleted("kv-to-purge", REGION).properties.vault_id.endswith("/vaults/kv-to-purge")
    vaults.begin_purge_deleted("kv-to-purge", REGION).result()
    with pytest.raises(ResourceNotFoundError):
        vaults.get_deleted("kv-to-purge", REGION)
    assert is_free() is True


def test_an_identitys_tags_are_replaced_as_a_whole(operator: Operator) -> None:
    identities = operator.identities.user_assigned_identities
    identities.create_or_update(GROUP, "tagged", {"location": REGION, "tags": {"a": "1"}})
    assert identities.update(GROUP, "tagged", {"tags": {"b": "2"}}).tags == {"b": "2"}
    assert "tagged" in names(identities.list_by_resource_group(GROUP))


def test_an_identity_is_found_to_be_used_by_nothing(operator: Operator) -> None:
    operator.identities.user_assigned_identities.create_or_update(GROUP, "unused", {"location": REGION})
    with ManagedServiceIdentityClient(
        operator.credential, operator.subscription, api_version=IDENTITY_VERSION
    ) as elder:
        assert list(elder.user_assigned_identities.list_associated_resources(GROUP, "unused")) == []


def test_a_role_assignment_is_read_by_its_name(operator: Operator) -> None:
    assignments = operator.authorization.role_assignments
    made = next(iter(assignments.list_for_scope(operator.scope)))
    assert assignments.get(operator.scope, made.name).principal_id == operator.object_id


def test_the_sdk_registers_a_provider_by_itself_and_goes_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = "Microsoft.ManagedIdentity"
    providers = operator.resources.providers
    assert providers.unregister(namespace).registration_state == "Unregistered"
    monkeypatch.setattr("azure.mgmt.core.policies._base.time.sleep", lambda seconds: None)
    made = operator.identities.user_assigned_identities.create_or_update(GROUP, "early", {"location": REGION})
    assert made.name == "early"
    assert providers.get(namespace).registration_state == "Registered"


def test_a_poller_asks_again_when_the_cloud_says_not_after_its_own_half_minute(
    operator: Operator, served: ServedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    rest = time.sleep

    def sleep(_: RequestsTransport, seconds: float) -> None:
        waited.append(seconds)
        rest(min(seconds, 0.2))

    make_cluster(operator, "slow")
    monkeypatch.setattr(RequestsTransport, "sleep", sleep)
    weather = served.simulator.simulation.weather
    before = weather.dials
    weather.change(cluster_update=(2.0, 2.0))
    try:
        operator.clusters.managed_clusters.begin_update_tags(GROUP, "slow", {"tags": {"a": "1"}}).result()
    finally:
        weather.dials = before
    assert waited
    assert max(waited) <= 2.0
