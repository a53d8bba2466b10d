"""Applications and service principals on Microsoft Graph."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from simulated_cloud import OPERATOR, OPERATOR_OBJECT, TENANT, Cloud, code

from simulator.azure import graph_applications

OTHER = "55555555-5555-4555-8555-555555555555"


async def test_a_created_application_answers_as_recorded(calm: Cloud) -> None:
    answer = await calm.graph("POST", "/applications", {"displayName": "app", "keyCredentials": []})
    body = answer.json()
    place = f"https://graph.microsoft.com/v2/{TENANT}/directoryObjects/{body['id']}"
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{place}/Microsoft.DirectoryServices.Application"
    assert answer.headers["odata-version"] == "4.0"
    assert body["@odata.context"] == "https://graph.microsoft.com/v1.0/$metadata#applications/$entity"
    assert body["signInAudience"] == "AzureADandPersonalMicrosoftAccount"
    assert re.fullmatch(r".*:\d\d\.\d{7}Z", body["createdDateTime"])
    again = (await calm.graph("GET", f"/applications/{body['id']}")).json()
    assert re.fullmatch(r".*T\d\d:\d\d:\d\dZ", again["createdDateTime"])


APPLICATION = (
    "@odata.context id deletedDateTime appId applicationTemplateId disabledByMicrosoftStatus createdDateTime "
    "displayName description groupMembershipClaims identifierUris isDeviceOnlyAuthSupported isFallbackPublicClient "
    "notes publisherDomain serviceManagementReference signInAudience tags tokenEncryptionKeyId samlMetadataUrl "
    "defaultRedirectUri certification optionalClaims servicePrincipalLockConfiguration requestSignatureVerification "
    "addIns api appRoles info keyCredentials parentalControlSettings passwordCredentials publicClient "
    "requiredResourceAccess verifiedPublisher web spa"
)
PRINCIPAL = (
    "@odata.context id deletedDateTime accountEnabled alternativeNames appDisplayName appDescription appId "
    "applicationTemplateId appOwnerOrganizationId appRoleAssignmentRequired createdDateTime description "
    "disabledByMicrosoftStatus displayName homepage loginUrl logoutUrl notes notificationEmailAddresses "
    "preferredSingleSignOnMode preferredTokenSigningKeyThumbprint replyUrls servicePrincipalNames "
    "servicePrincipalType signInAudience tags tokenEncryptionKeyId samlSingleSignOnSettings addIns appRoles info "
    "keyCredentials oauth2PermissionScopes passwordCredentials resourceSpecificApplicationPermissions "
    "verifiedPublisher"
)


async def test_bodies_have_the_recorded_members(calm: Cloud) -> None:
    app, principal = await calm.make_application()
    assert set(app) - {"uniqueName"} == set(APPLICATION.split())
    assert set(principal) == set(PRINCIPAL.split())


@pytest.mark.parametrize(
    ("sent", "path", "expected"),
    [
        ({}, "api.requestedAccessTokenVersion", 2),
        ({"signInAudience": "AzureADMultipleOrgs"}, "api.requestedAccessTokenVersion", None),
        ({}, "publisherDomain", "contoso.onmicrosoft.com"),
        ({}, "parentalControlSettings.legalAgeGroupRule", "Allow"),
        ({}, "web.implicitGrantSettings", {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False}),
        ({"appRoles": [{"value": "a"}, {"value": "b"}]}, "appRoles.0", {"value": "b", "origin": "Application"}),
        ({"web": {"redirectUris": ["https://a", "https://b"]}}, "web.redirectUris", ["https://b", "https://a"]),
        ({"web": {"redirectUris": ["https://a"]}}, "web.logoutUrl", None),
        ({"spa": {"redirectUris": ["https://a", "https://b"]}}, "spa.redirectUris", ["https://b", "https://a"]),
        (
            {"requiredResourceAccess": [{"resourceAppId": "a"}, {"resourceAppId": "b"}]},
            "requiredResourceAccess.0.resourceAppId",
            "b",
        ),
    ],
)
async def test_an_application_is_filled_in_and_reordered(
    calm: Cloud, sent: dict[str, Any], path: str, expected: Any
) -> None:
    value: Any = (await calm.graph("POST", "/applications", {"displayName": "app"} | sent)).json()
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    assert value == expected


async def test_optional_claims_move_to_the_end_when_they_are_set(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    assert list(app)[-1] == "spa"
    await calm.graph("PATCH", f"/applications/{app['id']}", {"optionalClaims": {"idToken": []}})
    assert list((await calm.graph("GET", f"/applications/{app['id']}")).json())[-1] == "optionalClaims"


async def test_a_certificate_is_known_by_its_thumbprint_and_its_key_not_echoed(calm: Cloud) -> None:
    certificate = calm.simulation.authority.certificate
    key = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    sent = {"displayName": "app", "keyCredentials": [{"key": key, "type": "AsymmetricX509Cert", "usage": "Verify"}]}
    made = (await calm.graph("POST", "/applications", sent)).json()["keyCredentials"][0]
    assert made["key"] is None
    assert made["customKeyIdentifier"] == certificate.fingerprint(hashes.SHA1()).hex().upper()
    assert made["displayName"] == certificate.subject.rfc4514_string()


async def test_whoever_may_write_its_own_only_meets_the_quota(calm: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_applications, "QUOTA", 2)  # its own application is the first
    owned = await calm.bearer("https://graph.microsoft.com", OTHER, "another secret")
    first = (await calm.graph("POST", "/applications", {"displayName": "a"}, **owned)).json()
    assert (await calm.graph("DELETE", f"/applications/{first['id']}", **owned)).status_code == 204
    refused = await calm.graph("POST", "/applications", {"displayName": "b"}, **owned)
    assert code(refused) == (403, "Directory_QuotaExceeded")
    assert (await calm.graph("POST", "/applications", {"displayName": "c"})).status_code == 201


async def test_a_password_is_answered_as_recorded(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    added = await calm.graph("POST", f"/applications/{app['id']}/addPassword", {"passwordCredential": {}})
    assert added.headers["location"] == "https://graph.microsoft.com"
    assert added.json()["@odata.context"].endswith("$metadata#microsoft.graph.passwordCredential")
    members = "@odata.context customKeyIdentifier displayName endDateTime hint keyId secretText startDateTime"
    assert sorted(added.json()) == sorted(members.split())


async def test_identifier_uris_stay_taken_in_the_bin(calm: Cloud) -> None:
    body = {"displayName": "a", "identifierUris": ["api://one"]}
    app = (await calm.graph("POST", "/applications", body)).json()
    await calm.graph("DELETE", f"/applications/{app['id']}")
    refused = await calm.graph("POST", "/applications", body)
    assert "identifierUris already exists" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "units", "kind"),
    [
        ("GET", "/applications?$filter=appId eq 'x'", "2", "minimal"),
        ("GET", "/servicePrincipals?$filter=appId eq 'x'", "1", "minimal"),
        ("GET", "/applications", "1", "minimal"),
        ("GET", "/applications/nope", "1", "application/json"),
    ],
)
async def test_every_answer_has_the_standing_headers(
    calm: Cloud, method: str, path: str, units: str, kind: str
) -> None:
    headers = (await calm.graph(method, path)).headers
    assert headers["x-ms-resource-unit"] == units
    assert "ServerInfo" in headers["x-ms-ags-diagnostic"]
    assert headers["strict-transport-security"] == "max-age=31536000"
    if kind == "minimal":
        assert headers["content-type"] == (
            "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
        )
    else:
        assert headers["content-type"] == kind


async def test_the_client_id_is_not_an_object_id(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    assert code(await calm.graph("GET", f"/applications/{app['appId']}")) == (404, "Request_ResourceNotFound")
    assert (await calm.graph("GET", f"/applications(appId='{app['appId']}')")).json()["id"] == app["id"]


async def test_display_names_are_not_unique_but_unique_names_are(calm: Cloud) -> None:
    body = {"displayName": "twin", "uniqueName": "one"}
    assert (await calm.graph("POST", "/applications", body)).status_code == 201
    refused = await calm.graph("POST", "/applications", body)
    assert code(refused) == (400, "Request_BadRequest")
    assert refused.json()["error"]["details"][0]["code"] == "ObjectConflict"
    assert (await calm.graph("POST", "/applications", {"displayName": "twin"})).status_code == 201


async def test_an_upsert_creates_what_is_missing_and_changes_what_is_there(calm: Cloud) -> None:
    path = "/applications(uniqueName='shop-checkout')"
    assert code(await calm.graph("PATCH", path, {"displayName": "a"})) == (404, "Request_ResourceNotFound")
    made = await calm.graph("PATCH", path, {"displayName": "a"}, Prefer="create-if-missing")
    assert (made.status_code, made.json()["uniqueName"]) == (201, "shop-checkout")
    changed = await calm.graph("PATCH", path, {"displayName": "b"}, Prefer="create-if-missing")
    assert (changed.status_code, changed.content) == (204, b"")
    assert "odata-version" not in changed.headers
    assert (await calm.graph("GET", path)).json()["displayName"] == "b"


async def test_an_upsert_sees_what_readers_do_not_see_yet(slow: Cloud) -> None:
    path = "/applications(uniqueName='x')"
    await slow.graph("PATCH", path, {"displayName": "a"}, Prefer="create-if-missing")
    assert (await slow.graph("GET", path)).status_code == 404
    again = await slow.graph("PATCH", path, {"displayName": "a"}, Prefer="create-if-missing")
    assert again.status_code == 204


async def test_what_was_created_is_read_only_once_replicated(slow: Cloud) -> None:
    app = (await slow.graph("POST", "/applications", {"displayName": "late"})).json()
    query = "/applications?$filter=displayName eq 'late'"
    assert code(await slow.graph("GET", f"/applications/{app['id']}")) == (404, "Request_ResourceNotFound")
    assert (await slow.graph("GET", query)).json()["value"] == []
    refused = await slow.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
    assert refused.json()["error"]["details"][0]["code"] == "NoBackingApplicationObject"
    assert " does not reference " in refused.json()["error"]["message"]
    slow.simulation.clock.step(20)
    assert (await slow.graph("GET", f"/applications/{app['id']}")).status_code == 200
    assert len((await slow.graph("GET", query)).json()["value"]) == 1


async def test_a_deleted_application_takes_its_principal_and_keeps_its_unique_name(calm: Cloud) -> None:
    app = (await calm.graph("POST", "/applications", {"displayName": "a", "uniqueName": "u"})).json()
    principal = (await calm.graph("POST", "/servicePrincipals", {"appId": app["appId"]})).json()
    assert (await calm.graph("DELETE", f"/applications/{app['id']}")).status_code == 204
    assert (await calm.graph("GET", f"/applications/{app['id']}")).status_code == 404
    assert (await calm.graph("GET", f"/servicePrincipals/{principal['id']}")).status_code == 404
    upsert = await calm.graph(
        "PATCH", "/applications(uniqueName='u')", {"displayName": "a"}, Prefer="create-if-missing"
    )
    assert "uniqueName already exists" in upsert.json()["error"]["message"]
    deleted = (await calm.graph("GET", "/directory/deletedItems/microsoft.graph.application")).json()["value"]
    assert [(one["id"], one["deletedDateTime"]) for one in deleted] == [(app["id"], "2026-03-01T12:00:00Z")]
    assert (await calm.graph("POST", f"/directory/deletedItems/{app['id']}/restore")).status_code == 200
    assert (await calm.graph("GET", f"/servicePrincipals/{principal['id']}")).status_code == 200
    await calm.graph("DELETE", f"/applications/{app['id']}")
    assert (await calm.graph("DELETE", f"/directory/deletedItems/{app['id']}")).status_code == 204
    assert (await calm.graph("POST", "/applications", {"displayName": "b", "uniqueName": "u"})).status_code == 201


async def test_a_second_principal_of_an_application_is_refused(calm: Cloud) -> None:
    app, principal = await calm.make_application()
    assert principal["servicePrincipalNames"] == [app["appId"]]
    refused = await calm.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
    assert code(refused) == (409, "Request_MultipleObjectsWithSameKeyValue")
    path = f"/servicePrincipals(appId='{app['appId']}')"
    assert (await calm.graph("PATCH", path, {"tags": ["x"]}, Prefer="create-if-missing")).status_code == 204
    assert (await calm.graph("GET", path)).json()["tags"] == ["x"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "displayName"),
        ({"displayName": "a", "appId": str(uuid.UUID(int=1))}, "read-only"),
    ],
)
async def test_what_graph_would_not_store_is_refused(calm: Cloud, body: dict[str, Any], said: str) -> None:
    answer = await calm.graph("POST", "/applications", body)
    assert code(answer) == (400, "Request_BadRequest")
    assert said in answer.json()["error"]["message"]


async def test_an_error_has_the_recorded_envelope(calm: Cloud) -> None:
    answer = await calm.graph("GET", "/applications/nope", **{"client-request-id": "mine"})
    inner = answer.json()["error"]["innerError"]
    assert "odata-version" not in answer.headers
    assert (inner["date"], inner["client-request-id"]) == ("2026-03-01T12:00:00", "mine")
    assert inner["request-id"] == answer.headers["request-id"]


async def test_permissions_decide_who_may_do_what(calm: Cloud) -> None:
    owned = {
        "Authorization": (await calm.bearer("https://graph.microsoft.com", OTHER, "another secret"))["Authorization"]
    }
    foreign, _ = await calm.make_application()
    own = (await calm.graph("POST", "/applications", {"displayName": "own"}, **owned)).json()
    assert (await calm.graph("PATCH", f"/applications/{own['id']}", {"tags": ["t"]}, **owned)).status_code == 204
    denied = await calm.graph("PATCH", f"/applications/{foreign['id']}", {"tags": ["t"]}, **owned)
    assert code(denied) == (403, "Authorization_RequestDenied")
    assert (await calm.graph("GET", f"/applications/{foreign['id']}", **owned)).status_code == 200
    text = (await calm.graph("POST", f"/applications/{foreign['id']}/addPassword")).json()["secretText"]
    nobody = await calm.bearer("https://graph.microsoft.com", foreign["appId"], text)
    assert code(await calm.graph("GET", "/applications", **nobody)) == (403, "Authorization_RequestDenied")


@pytest.mark.parametrize("header", ["", "Bearer nonsense"])
async def test_without_a_token_of_graph_nothing_is_told(calm: Cloud, header: str) -> None:
    answer = await calm.graph("GET", "/applications", Authorization=header)
    assert code(answer) == (401, "InvalidAuthenticationToken")


async def test_programs_have_no_me(calm: Cloud) -> None:
    assert code(await calm.graph("GET", "/me")) == (400, "BadRequest")
    tenant = (await calm.graph("GET", "/organization")).json()["value"][0]
    assert (tenant["id"], tenant["displayName"]) == (TENANT, "Contoso")


async def test_the_operator_is_in_the_directory_too(calm: Cloud) -> None:
    query = f"/servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '{OPERATOR}')"
    assert [one["id"] for one in (await calm.graph("GET", query)).json()["value"]] == [OPERATOR_OBJECT]
    found = await calm.graph("POST", "/directoryObjects/getByIds", {"ids": [OPERATOR_OBJECT, "nobody"]})
    assert [one["@odata.type"] for one in found.json()["value"]] == ["#microsoft.graph.servicePrincipal"]


@pytest.mark.parametrize(("count", "status"), [(1000, 200), (1001, 400)])
async def test_a_thousand_ids_are_looked_up_at_once_and_no_more(calm: Cloud, count: int, status: int) -> None:
    ids = [f"nobody-{number}" for number in range(count)]
    assert (await calm.graph("POST", "/directoryObjects/getByIds", {"ids": ids})).status_code == status
