"""What Azure Resource Manager refuses, as the SDKs tell it to who asked."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from sdk_operator import GROUP, REGION, Operator, told

from tests.clients.served import ServedCloud

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"


def cluster(prefix: str) -> dict[str, Any]:
    pools = [{"name": "one", "count": 1, "vmSize": "Standard_B2s", "mode": "System"}]
    properties = {"dnsPrefix": prefix, "agentPoolProfiles": pools}
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


REFUSED: dict[str, tuple[Callable[[Operator], None], tuple[int, str]]] = {
    "an outdated change": (write_what_was_changed_meanwhile, (412, "EtagMismatch")),
    "a prefix that begins with a hyphen": (make_a_cluster_of_an_impossible_name, (400, "InvalidParameter")),
    "a name that is reserved": (take_the_name_of_a_deleted_vault, (409, "ConflictError")),
    "the 1025th policy": (make_a_vault_with_too_many_policies, (400, "BadRequest")),
    "another role under the same name": (make_an_assignment_another_ones, (400, "RoleAssignmentUpdateNotPermitted")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_sdk_raises_what_the_service_has_against_it(operator: Operator, what: str) -> None:
    ask, expected = REFUSED[what]
    with pytest.raises(HttpResponseError) as refusal:
        ask(operator)
    assert told(refusal.value) == expected


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


def test_one_identitys_credentials_are_written_five_at_once(operator: Operator, served: ServedCloud) -> None:
    operator.identities.user_assigned_identities.create_or_update(GROUP, "hurried", {"location": REGION})
    properties = {"issuer": "https://issuer.example/", "audiences": ["api://AzureADTokenExchange"]}

    def write(number: int) -> None:
        body = {"properties": {**properties, "subject": f"of-{number}"}}
        operator.identities.federated_identity_credentials.create_or_update(GROUP, "hurried", f"of-{number}", body)

    weather = served.simulator.simulation.weather
    speed, weather.speed = weather.speed, 0.01
    weather.change(throttling=True)
    try:
        for number in range(5):
            write(number)
        with pytest.raises(HttpResponseError) as refusal:
            write(5)
    finally:
        weather.change(throttling=False)
        weather.speed = speed
    assert refusal.value.status_code == 429
