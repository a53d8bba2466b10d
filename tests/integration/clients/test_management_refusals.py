"""What Azure Resource Manager refuses, as the SDKs tell it to who asked."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from sdk_operator import GROUP, REGION, Operator, told

from tests.clients.served import ServedCloud

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


ISSUER = "oidcIssuerProfile"


def cluster(prefix: str, **more: Any) -> dict[str, Any]:
    pools = [{"name": "one", "count": 1, "vmSize": "Standard_B2s", "mode": "System"}]
    properties = {"dnsPrefix": prefix, "agentPoolProfiles": pools, **more}
    return {"location": REGION, "identity": {"type": "SystemAssigned"}, "properties": properties}


def vault(operator: Operator, *policies: dict[str, Any]) -> dict[str, Any]:
    sku = {"family": "A", "name": "standard"}
    return {"location": REGION, "properties": {"tenantId": operator.tenant, "sku": sku, "accessPolicies": policies}}


def write_what_was_changed_meanwhile(own: Operator) -> None:
    clusters = own.clusters.managed_clusters
    clusters.begin_create_or_update(
        GROUP, "sysadminas", cluster("sysadminas"), etag="of-before", match_condition=MatchConditions.IfNotModified
    )


def make_a_cluster_of_an_impossible_name(own: Operator) -> None:
    own.clusters.managed_clusters.begin_create_or_update(GROUP, "prefixed", cluster("-prefixed"))


def take_an_issuer_away(own: Operator) -> None:
    for wanted in (True, False):
        body = cluster("issuing", **{ISSUER: {"enabled": wanted}})
        own.clusters.managed_clusters.begin_create_or_update(GROUP, "issuing", body).result()


def ask_for_the_webhook_alone(own: Operator) -> None:
    security = {"workloadIdentity": {"enabled": True}}
    body = cluster("alone", kubernetesVersion="1.33", securityProfile=security, **{ISSUER: {"enabled": False}})
    own.clusters.managed_clusters.begin_create_or_update(GROUP, "alone", body)


def make_a_vault_of_an_impossible_name(own: Operator) -> None:
    own.vaults.vaults.begin_create_or_update(GROUP, "kv--twice", vault(own))


def federate_where_it_is_not_possible(own: Operator) -> None:
    own.identities.user_assigned_identities.create_or_update(GROUP, "southern", {"location": "malaysiasouth"})
    trust = {"issuer": "https://issuer.example/", "subject": "a", "audiences": ["api://AzureADTokenExchange"]}
    own.identities.federated_identity_credentials.create_or_update(GROUP, "southern", "one", {"properties": trust})


def take_the_name_of_a_deleted_vault(own: Operator) -> None:
    own.secrets("kv-reserved")
    own.vaults.vaults.delete(GROUP, "kv-reserved")
    own.vaults.vaults.begin_create_or_update(GROUP, "kv-reserved", vault(own))


def make_a_vault_with_too_many_policies(own: Operator) -> None:
    policies = [
        {"tenantId": own.tenant, "objectId": str(uuid.UUID(int=number)), "permissions": {"secrets": ["get"]}}
        for number in range(1025)
    ]
    own.vaults.vaults.begin_create_or_update(GROUP, "kv-of-many", vault(own, *policies))


def make_an_assignment_another_ones(own: Operator) -> None:
    name = str(uuid.uuid4())
    for role in (READER, CONTRIBUTOR):
        definition = f"{own.scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        properties = {"roleDefinitionId": definition, "principalId": own.object_id, "principalType": "ServicePrincipal"}
        own.authorization.role_assignments.create(
            f"{own.scope}/resourceGroups/{GROUP}", name, {"properties": properties}
        )


def assign_to(own: Operator, principal: str, **more: str) -> Any:
    definition = f"{own.scope}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {"roleDefinitionId": definition, "principalId": principal, **more}
    scope = f"{own.scope}/resourceGroups/{GROUP}"
    return own.authorization.role_assignments.create(scope, str(uuid.uuid4()), {"properties": properties})


def assign_to_one_who_is_not_known(own: Operator) -> None:
    assign_to(own, str(uuid.uuid4()))


REFUSED: dict[str, tuple[Callable[[Operator], None], tuple[int, str]]] = {
    "an eTag that does not match": (write_what_was_changed_meanwhile, (412, "EtagMismatch")),
    "a prefix that begins with a hyphen": (make_a_cluster_of_an_impossible_name, (400, "InvalidParameter")),
    "an issuer's end": (take_an_issuer_away, (400, "OIDCIssuerFeatureCannotBeDisabled")),
    "a webhook without an issuer": (ask_for_the_webhook_alone, (400, "BadRequest")),
    "two hyphens in a vault's name": (make_a_vault_of_an_impossible_name, (400, "VaultNameNotValid")),
    "a region that does not federate": (federate_where_it_is_not_possible, (405, "MethodNotAllowed")),
    "a name that is reserved": (take_the_name_of_a_deleted_vault, (409, "ConflictError")),
    "the 1025th policy": (make_a_vault_with_too_many_policies, (400, "BadRequest")),
    "a principal that is not known": (assign_to_one_who_is_not_known, (400, "PrincipalNotFound")),
    "another role under the same name": (make_an_assignment_another_ones, (400, "RoleAssignmentUpdateNotPermitted")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_sdk_raises_what_the_service_has_against_it(operator: Operator, what: str) -> None:
    ask, expected = REFUSED[what]
    with pytest.raises(HttpResponseError) as refusal:
        ask(operator)
    assert told(refusal.value) == expected


def test_a_role_is_assigned_to_a_principal_that_is_not_known_yet_where_its_type_is_said(operator: Operator) -> None:
    made = assign_to(operator, str(uuid.uuid4()), principalType="ServicePrincipal")
    assert made.principal_type == "ServicePrincipal"


def test_a_vaults_role_assignments_go_with_it(operator: Operator) -> None:
    """Who makes another vault of the name must not find the former readers in it."""
    operator.secrets("kv-with-readers")
    scope = f"{operator.scope}/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults/kv-with-readers"
    definition = f"{operator.scope}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {"roleDefinitionId": definition, "principalId": operator.object_id}
    assignments = operator.authorization.role_assignments
    made = assignments.create(
        scope, str(uuid.uuid4()), {"properties": {**properties, "principalType": "ServicePrincipal"}}
    )
    assert made.id in [one.id for one in assignments.list_for_scope(scope)]
    vaults = operator.vaults.vaults
    vaults.delete(GROUP, "kv-with-readers")
    vaults.begin_purge_deleted("kv-with-readers", REGION).result()
    operator.secrets("kv-with-readers")
    assert made.id not in [one.id for one in assignments.list_for_scope(scope)]


@contextmanager
def throttled(served: ServedCloud) -> Iterator[None]:
    """Limits hold in here, and what is used up does not come back."""
    weather = served.simulator.simulation.weather
    speed, weather.speed = weather.speed, 0.01
    weather.change(throttling=True)
    try:
        yield
    finally:
        weather.change(throttling=False)
        weather.speed = speed


def test_one_identitys_credentials_are_written_five_at_once(operator: Operator, served: ServedCloud) -> None:
    operator.identities.user_assigned_identities.create_or_update(GROUP, "hurried", {"location": REGION})
    properties = {"issuer": "https://issuer.example/", "audiences": ["api://AzureADTokenExchange"]}

    def write(number: int) -> None:
        body = {"properties": {**properties, "subject": f"of-{number}"}}
        operator.identities.federated_identity_credentials.create_or_update(GROUP, "hurried", f"of-{number}", body)

    with throttled(served):
        for number in range(5):
            write(number)
        with pytest.raises(HttpResponseError) as refusal:
            write(5)
    assert refusal.value.status_code == 429


def test_a_program_that_reads_250_times_at_once_is_told_when_it_may_again(
    operator: Operator, served: ServedCloud
) -> None:
    def read_on_and_on() -> None:
        for _ in range(251):
            operator.resources.resource_groups.get(GROUP)

    with throttled(served), pytest.raises(HttpResponseError) as refusal:
        read_on_and_on()
    assert refusal.value.status_code == 429
    assert refusal.value.response is not None
    assert int(refusal.value.response.headers["Retry-After"]) > 0


def test_a_cluster_that_is_being_changed_is_not_changed_again(operator: Operator, served: ServedCloud) -> None:
    clusters = operator.clusters.managed_clusters
    clusters.begin_create_or_update(GROUP, "changing", cluster("changing")).result()
    weather = served.simulator.simulation.weather
    weather.change(cluster_update=(3600.0, 3600.0))
    try:
        clusters.begin_update_tags(GROUP, "changing", {"tags": {"a": "1"}}, polling=False)
        with pytest.raises(HttpResponseError) as refusal:
            clusters.begin_update_tags(GROUP, "changing", {"tags": {"a": "2"}}, polling=False)
    finally:
        weather.change(cluster_update=(0.0, 0.0))
    assert told(refusal.value) == (409, "OperationNotAllowed")


def test_an_issuer_that_is_a_preview_needs_its_flag(operator: Operator, served: ServedCloud) -> None:
    (subscription,) = served.simulator.simulation.azure.subscriptions.values()
    flag = subscription.features["Microsoft.ContainerService/EnableOIDCIssuerPreview".lower()]
    flag.enforced = True
    try:
        with pytest.raises(HttpResponseError) as refusal:
            operator.clusters.managed_clusters.begin_create_or_update(
                GROUP, "previewed", cluster("previewed", **{ISSUER: {"enabled": True}})
            )
    finally:
        flag.enforced = False
    assert told(refusal.value) == (400, "OIDCIssuerFeatureFlagNotEnabled")


def test_what_a_gateway_says_instead_of_the_service_is_raised_without_a_code(
    operator: Operator, served: ServedCloud
) -> None:
    weather = served.simulator.simulation.weather
    operator.resources.resource_groups.get(GROUP)
    heard = set()
    weather.change(server_errors=1.0)
    try:
        for _ in range(20):
            with pytest.raises(HttpResponseError) as refusal:
                operator.resources.resource_groups.get(GROUP)
            heard.add(told(refusal.value))
    finally:
        weather.change(server_errors=0.0)
    assert (502, None) in heard
