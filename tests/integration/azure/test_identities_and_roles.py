"""User-assigned managed identities with their federated credentials, and role assignments."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import httpx
import pytest
from simulated_cloud import AUDIENCE, GROUP, ISSUER, OPERATOR_OBJECT, SUBJECT, SUBSCRIPTION, TENANT, Cloud, code

from simulator.azure import authorization

IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/checkout"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"


async def make_identity(cloud: Cloud) -> dict[str, Any]:
    return (await cloud.arm("PUT", IDENTITY, {"location": "westeurope"})).json()


async def federate(cloud: Cloud, name: str, **changes: Any) -> httpx.Response:
    trust = {"issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE]} | changes
    return await cloud.arm("PUT", f"{IDENTITY}/federatedIdentityCredentials/{name}", {"properties": trust})


async def test_an_identity_answers_as_recorded(calm: Cloud) -> None:
    made = await calm.arm("PUT", IDENTITY, {"location": "westeurope"}, version="2023-01-31")
    body = made.json()
    lower = IDENTITY.replace("/resourceGroups/", "/resourcegroups/")
    assert (made.status_code, made.headers["location"], body["id"]) == (201, lower, lower)
    assert (body["type"], body["tags"]) == ("Microsoft.ManagedIdentity/userAssignedIdentities", {})
    assert sorted(body["properties"]) == ["clientId", "principalId", "tenantId"]
    newer = await calm.arm("PUT", IDENTITY, {"location": "westeurope", "tags": {"a": "b"}}, version="2024-11-30")
    assert (newer.status_code, newer.json()["properties"]["isolationScope"]) == (200, "None")
    principal = (await calm.graph("GET", f"/servicePrincipals/{body['properties']['principalId']}")).json()
    assert (principal["servicePrincipalType"], principal["displayName"]) == ("ManagedIdentity", "checkout")


async def test_a_deleted_identity_takes_its_principal_and_its_credentials(calm: Cloud) -> None:
    first = await make_identity(calm)
    await federate(calm, "fic-one")
    assert (await calm.arm("DELETE", IDENTITY)).content == b""
    principal = f"/servicePrincipals/{first['properties']['principalId']}"
    assert (await calm.graph("GET", principal)).status_code == 404
    second = await make_identity(calm)
    assert second["properties"]["principalId"] != first["properties"]["principalId"]
    listed = await calm.arm("GET", f"{IDENTITY}/federatedIdentityCredentials")
    assert listed.json() == {"value": []}


async def test_its_credential_is_created_updated_and_deleted(calm: Cloud) -> None:
    await make_identity(calm)
    made = await federate(calm, "fic-one")
    place = IDENTITY.replace("/resourceGroups/", "/resourcegroups/") + "/federatedIdentityCredentials/fic-one"
    assert (made.status_code, made.headers["location"]) == (201, place)
    assert made.json() == {
        "id": place,
        "name": "fic-one",
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials",
        "properties": {"issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE]},
    }
    updated = await federate(calm, "fic-one", subject="other")
    assert (updated.status_code, "location" in updated.headers) == (200, False)
    assert (await calm.arm("GET", place)).json()["properties"]["subject"] == "other"
    assert (await calm.arm("DELETE", place)).status_code == 200
    assert (await calm.arm("DELETE", place)).status_code == 204
    assert (await calm.arm("GET", place)).status_code == 404


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("other-name", {}, "Issuer and subject combination already exists for this Managed Identity."),
        ("two-audiences", {"subject": "x", "audiences": ["a", "b"]}, "must have exactly one audience"),
        ("ab", {"subject": "x"}, "name"),
        ("too-long", {"issuer": "i" * 601}, "issuer"),
        ("empty", {"issuer": None, "subject": None, "audiences": None}, "must have exactly one audience"),
    ],
)
async def test_its_limits_are_kept(calm: Cloud, name: str, changes: dict[str, Any], said: str) -> None:
    await make_identity(calm)
    await federate(calm, "fic-one")
    refused = await federate(calm, name, **changes)
    assert code(refused) == (400, "BadRequest")
    assert said in refused.json()["error"]["message"]


async def test_a_credential_without_properties_is_refused(calm: Cloud) -> None:
    await make_identity(calm)
    refused = await calm.arm("PUT", f"{IDENTITY}/federatedIdentityCredentials/bare", {})
    assert code(refused) == (400, "BadRequest")
    assert "empty properties" in refused.json()["error"]["message"]


@pytest.mark.parametrize("place", ["malaysiasouth", "New Zealand North"])
async def test_some_regions_do_not_federate(calm: Cloud, place: str) -> None:
    assert (await calm.arm("PUT", IDENTITY, {"location": place})).status_code == 201
    assert (await federate(calm, "fic-one")).status_code == 405


async def test_what_goes_with_an_identity_is_listed_and_its_tokens_revoked(calm: Cloud) -> None:
    await make_identity(calm)
    listed = await calm.arm("POST", f"{IDENTITY}/listAssociatedResources", version="2021-09-30-preview")
    assert listed.json() == {"totalCount": 0, "value": []}
    revoked = await calm.arm("POST", f"{IDENTITY}/revokeTokens", version="2023-07-31-preview")
    assert (revoked.status_code, revoked.content) == (200, b"")


async def test_the_twenty_first_credential_is_refused(calm: Cloud) -> None:
    await make_identity(calm)
    answers = [await federate(calm, f"fic-{n}", subject=f"s{n}") for n in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [400]


async def test_one_identity_takes_one_writer_at_a_time(calm: Cloud) -> None:
    await make_identity(calm)
    answers = await asyncio.gather(*(federate(calm, f"fic-{n}", subject=f"s{n}") for n in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert code(refused)[1] == "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"
    assert "/resourcegroups/rg/providers/microsoft.managedidentity" in refused.json()["error"]["message"]
    assert (await federate(calm, "later", subject="later")).status_code == 201


async def test_an_identity_is_federated_once_it_is_replicated(slow: Cloud) -> None:
    await make_identity(slow)
    assert code(await federate(slow, "fic-one")) == (404, "ParentResourceNotFound")
    slow.simulation.clock.step(20)
    assert (await federate(slow, "fic-one")).status_code == 201


async def test_a_role_is_looked_up_by_name(calm: Cloud) -> None:
    found = await calm.arm(
        "GET", f"{ROLES.replace('/providers', '/resourceGroups/rg/providers')}?$filter=roleName eq 'Reader'"
    )
    assert [(one["id"], one["name"]) for one in found.json()["value"]] == [(f"{ROLES}/{READER}", READER)]
    assert found.headers["set-cookie"].startswith("x-ms-gateway-slice=Production")
    none = await calm.arm("GET", f"{ROLES}?$filter=roleName eq 'No such role'")
    assert none.json() == {"value": []}
    anywhere = await calm.arm("GET", "/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName eq 'Reader'")
    assert anywhere.json()["value"][0]["id"] == f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    assert (await calm.arm("GET", f"{ROLES}/{READER}")).json()["properties"]["type"] == "BuiltInRole"


async def assign(
    cloud: Cloud, principal: str, *, role: str = READER, name: str = SUBSCRIPTION, scope: str = GROUP, **more: str
) -> httpx.Response:
    body = {"properties": {"roleDefinitionId": f"{ROLES}/{role}", "principalId": principal} | more}
    return await cloud.arm("PUT", f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}", body)


async def test_an_assignment_answers_as_recorded(calm: Cloud) -> None:
    _, principal = await calm.make_application()
    made = await assign(calm, principal["id"])
    body = made.json()
    assert (made.status_code, list(body)) == (201, ["properties", "id", "type", "name"])
    assert body["properties"] | {"createdOn": "", "updatedOn": ""} == {
        "roleDefinitionId": f"{ROLES}/{READER}",
        "principalId": principal["id"],
        "principalType": "ServicePrincipal",
        "scope": GROUP,
        "condition": None,
        "conditionVersion": None,
        "createdOn": "",
        "updatedOn": "",
        "createdBy": None,
        "updatedBy": OPERATOR_OBJECT,
        "delegatedManagedIdentityResourceId": None,
        "description": None,
    }
    listed = await calm.arm("GET", f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}")
    later = listed.json()["properties"]
    assert later["createdBy"] == later["updatedBy"] == OPERATOR_OBJECT
    assert body["properties"]["createdOn"] < body["properties"]["updatedOn"] == later["createdOn"] == later["updatedOn"]
    assert "location" not in made.headers
    assert (await assign(calm, principal["id"])).status_code == 200


async def test_an_assignment_keeps_what_is_said_about_it(calm: Cloud) -> None:
    _, principal = await calm.make_application()
    said = {"description": "why", "condition": "true", "conditionVersion": "2.0"}
    properties = (await assign(calm, principal["id"], **said)).json()["properties"]
    assert {name: properties[name] for name in said} == said


async def test_a_subscription_holds_so_many_assignments_and_no_more(
    calm: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorization, "LIMIT", len(calm.simulation.azure.role_assignments) + 1)
    _, principal = await calm.make_application()
    assert (await assign(calm, principal["id"])).status_code == 201
    refused = await assign(calm, principal["id"], role=CONTRIBUTOR, name=TENANT)
    assert code(refused) == (409, "RoleAssignmentLimitExceeded")


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"name": TENANT}, 409, "RoleAssignmentExists"),
        ({"role": CONTRIBUTOR}, 400, "RoleAssignmentUpdateNotPermitted"),
        ({"role": CONTRIBUTOR, "name": TENANT}, 201, ""),
        ({"role": CONTRIBUTOR, "name": TENANT, "principalType": "User"}, 400, "UnmatchedPrincipalType"),
        ({"name": "not-a-guid", "role": CONTRIBUTOR}, 400, "InvalidRoleAssignmentId"),
        ({"name": TENANT, "role": str(uuid.UUID(int=1))}, 404, "RoleDefinitionDoesNotExist"),
        ({"scope": f"{GROUP}/providers/Microsoft.KeyVault/vaults/nope"}, 404, "ResourceNotFound"),
        ({"scope": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/nope"}, 404, "ResourceGroupNotFound"),
    ],
)
async def test_a_second_assignment_is_held_against_the_first(
    calm: Cloud, changes: dict[str, str], status: int, expected: str
) -> None:
    _, principal = await calm.make_application()
    assert (await assign(calm, principal["id"])).status_code == 201
    answer = await assign(calm, principal["id"], **changes)
    assert (answer.status_code, answer.json().get("error", {}).get("code", "")) == (status, expected)


async def test_a_principal_that_is_not_replicated_needs_its_type_said(slow: Cloud) -> None:
    principal = (await make_identity(slow))["properties"]["principalId"]
    refused = await assign(slow, principal)
    assert code(refused) == (400, "PrincipalNotFound")
    assert re.match(r"Principal [0-9a-f]{32} does not exist in the directory ", refused.json()["error"]["message"])
    assert "Group.  See" in refused.json()["error"]["message"]
    assert (await assign(slow, principal, principalType="ServicePrincipal")).status_code == 201


async def test_lists_go_by_scope_and_principal(calm: Cloud) -> None:
    principal = (await make_identity(calm))["properties"]["principalId"]
    vault = (await calm.make_vault()).json()["id"]
    for number, scope in enumerate((f"/subscriptions/{SUBSCRIPTION}", GROUP, vault)):
        await assign(calm, principal, scope=scope, name=str(uuid.UUID(int=number)))

    async def listed(scope: str, text: str) -> list[int]:
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
        found = (await calm.arm("GET", f"{path}?$filter={text}")).json()["value"]
        ours = [one for one in found if one["properties"]["principalId"] == principal]
        return sorted(uuid.UUID(one["name"]).int for one in ours)

    assert await listed(f"/subscriptions/{SUBSCRIPTION}", f"principalId eq '{principal}'") == [0, 1, 2]
    assert await listed(GROUP, "atScope()") == [0, 1]
    assert await listed(vault, "atScope()") == [0, 1, 2]
    assert await listed(GROUP, f"atScope() and assignedTo('{principal}')") == [0, 1]
    assert await listed(GROUP, f"assignedTo('{OPERATOR_OBJECT}')") == []


async def test_a_deletion_answers_what_was_deleted_once(calm: Cloud) -> None:
    principal = (await make_identity(calm))["properties"]["principalId"]
    body = (await assign(calm, principal)).json()
    kept = (await calm.arm("GET", body["id"])).json()["properties"]
    calm.simulation.clock.step(60)
    gone = await calm.arm("DELETE", body["id"])
    assert (gone.status_code, gone.json()["name"]) == (200, body["name"])
    assert gone.json()["properties"]["createdOn"] == kept["createdOn"] < gone.json()["properties"]["updatedOn"]
    again = await calm.arm("DELETE", body["id"])
    assert (again.status_code, again.content) == (204, b"")


async def test_a_reader_may_not_assign(calm: Cloud) -> None:
    reader = await calm.bearer("https://management.azure.com", "55555555-5555-4555-8555-555555555555", "another secret")
    path = f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/{SUBSCRIPTION}"
    assert code(await calm.arm("PUT", path, {"properties": {}}, **reader)) == (403, "AuthorizationFailed")
