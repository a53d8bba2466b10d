"""Federated identity credentials of applications, on Graph."""

from __future__ import annotations

from typing import Any

import pytest
from simulated_cloud import AUDIENCE, ISSUER, SUBJECT, TENANT, Cloud, code


async def test_a_credential_is_stored_verbatim_and_found_by_id_and_by_name(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    made = await calm.federate(app, description="why")
    body = made.json()
    kind = f"applications('{app['id']}')/federatedIdentityCredentials"
    assert made.status_code == 201
    place = f"https://graph.microsoft.com/v2/{TENANT}/federatedIdentityCredentials/{body['id']}"
    assert made.headers["location"] == place
    assert body.pop("@odata.context") == f"https://graph.microsoft.com/v1.0/$metadata#{kind}/$entity"
    assert body | {"id": ""} == {
        "id": "",
        "name": "checkout",
        "issuer": ISSUER,
        "subject": SUBJECT,
        "audiences": [AUDIENCE],
        "description": "why",
    }
    path = f"/applications/{app['id']}/federatedIdentityCredentials"
    for key in (f"/{body['id']}", "/checkout", "(name='checkout')"):
        assert (await calm.graph("GET", path + key)).json()["id"] == body["id"]
    assert (await calm.graph("GET", path)).json()["value"] == [body]


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({}, 409, "Request_MultipleObjectsWithSameKeyValue"),
        ({"name": "same-pair"}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "ab", "subject": "x"}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "-leading", "subject": "x"}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "has.dot", "subject": "x"}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "n" * 121, "subject": "x"}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "two-aud", "subject": "x", "audiences": ["a", "b"]}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "no-aud", "subject": "x", "audiences": []}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "long", "subject": "s" * 601}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "empty", "subject": ""}, 400, "InvalidFederatedIdentityCredentialValue"),
        ({"name": "longest", "subject": "s" * 600}, 201, ""),
        ({"name": "n" * 120, "subject": "x"}, 201, ""),
        ({"name": "other-case", "subject": SUBJECT.upper()}, 201, ""),
    ],
)
async def test_its_limits_are_kept(calm: Cloud, changes: dict[str, Any], status: int, expected: str) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    answer = await calm.federate(app, **changes)
    assert (answer.status_code, answer.json().get("error", {}).get("code", "")) == (status, expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "FederatedIdentityCredential with name checkout already exists."),
        (
            {"name": "other"},
            f"The combination of issuer and subject must be unique for the application. Issuer {ISSUER} and Subject: "
            f"{SUBJECT} already exist. paramName: FederatedIdentityCredential.Subject, paramValue: {SUBJECT}, "
            "objectType: Microsoft.Online.DirectoryServices.Application",
        ),
    ],
)
async def test_duplicates_are_told_in_the_reported_words(calm: Cloud, changes: dict[str, Any], message: str) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    assert (await calm.federate(app, **changes)).json()["error"]["message"] == message


async def test_a_change_and_a_deletion_have_no_body_and_none_of_its_headers(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    path = f"/applications/{app['id']}/federatedIdentityCredentials/checkout"
    for answer in (await calm.graph("PATCH", path, {"subject": "new"}), await calm.graph("DELETE", path)):
        assert (answer.status_code, answer.content) == (204, b"")
        assert not {"content-type", "odata-version"} & set(answer.headers)


async def test_the_twenty_first_is_refused(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    answers = [await calm.federate(app, name=f"fic-{n}", subject=f"s{n}") for n in range(21)]
    assert [answer.status_code for answer in answers] == [201] * 20 + [400]


async def test_an_upsert_by_name_creates_then_changes(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    path = f"/applications/{app['id']}/federatedIdentityCredentials(name='checkout')"
    body = {"issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE]}
    assert code(await calm.graph("PATCH", path, body)) == (404, "Request_ResourceNotFound")
    assert (await calm.graph("PATCH", path, body, Prefer="create-if-missing")).status_code == 201
    assert (await calm.graph("PATCH", path, {"subject": "new"}, Prefer="create-if-missing")).status_code == 204
    assert (await calm.graph("GET", path)).json()["subject"] == "new"


async def test_its_name_never_changes(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    path = f"/applications/{app['id']}/federatedIdentityCredentials/checkout"
    assert code(await calm.graph("PATCH", path, {"name": "other"})) == (400, "Request_BadRequest")


async def test_a_deleted_one_is_gone_for_the_token_endpoint_too(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    path = f"/applications/{app['id']}/federatedIdentityCredentials/checkout"
    assert (await calm.graph("DELETE", path)).status_code == 204
    assert code(await calm.graph("DELETE", path)) == (404, "Request_ResourceNotFound")
    assert (await calm.exchange(app["appId"], calm.assertion())).json()["error_codes"] == [70025]


async def test_an_application_that_is_not_replicated_has_none_yet(slow: Cloud) -> None:
    app = (await slow.graph("POST", "/applications", {"displayName": "late"})).json()
    assert code(await slow.federate(app)) == (404, "Request_ResourceNotFound")
