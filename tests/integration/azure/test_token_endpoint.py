"""login.microsoftonline.com: discovery, tokens by secret, tokens by federated client assertion."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from simulated_cloud import AUDIENCE, ISSUER, OPERATOR, OPERATOR_OBJECT, OPERATOR_SECRET, SUBJECT, TENANT, Cloud

from simulator.azure import tokens
from simulator.azure.entra_errors import FAILURES, failure

LOGIN = "https://login.microsoftonline.com"
VAULT = "https://vault.azure.net"


def codes(answer: Any) -> tuple[int, list[int]]:
    return answer.status_code, answer.json()["error_codes"]


async def test_a_client_secret_gets_a_token_that_the_published_keys_verify(calm: Cloud) -> None:
    answer = await calm.token("https://management.azure.com", client_secret=OPERATOR_SECRET)
    keys = KeySet.import_key_set((await calm.http.get(f"{LOGIN}/{TENANT}/discovery/v2.0/keys")).json())
    claims = jwt.decode(answer.json()["access_token"], keys, algorithms=["RS256"]).claims
    assert answer.json()["token_type"] == "Bearer"
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"] == 3599
    assert {name: claims[name] for name in ("aud", "iss", "oid", "appid", "tid", "idtyp")} == {
        "aud": "https://management.azure.com",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "oid": OPERATOR_OBJECT,
        "appid": OPERATOR,
        "tid": TENANT,
        "idtyp": "app",
    }


async def test_the_elder_endpoint_answers_numbers_as_strings(calm: Cloud) -> None:
    form = {"grant_type": "client_credentials", "client_id": OPERATOR, "client_secret": OPERATOR_SECRET}
    resource = "https://management.core.windows.net/"
    url = f"{LOGIN}/contoso.onmicrosoft.com/oauth2/token"
    answer = (await calm.http.post(url, data=form | {"resource": resource})).json()
    assert (answer["expires_in"], answer["resource"]) == ("3599", resource)
    assert await tokens.verify(calm.simulation, answer["access_token"], "https://management.azure.com")


@pytest.mark.parametrize(
    ("form", "status", "expected"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"client_id": str(uuid.UUID(int=5)), "client_secret": "x"}, 400, 700016),
        ({}, 401, 7000216),
        ({"client_secret": OPERATOR_SECRET, "scope": "https://vault.azure.net"}, 400, 1002012),
        ({"client_secret": OPERATOR_SECRET, "scope": "https://nowhere.example/.default"}, 400, 500011),
        ({"client_secret": OPERATOR_SECRET, "grant_type": "nonsense"}, 400, 70003),
    ],
)
async def test_a_request_that_proves_nothing_is_refused(
    calm: Cloud, form: dict[str, str], status: int, expected: int
) -> None:
    whole = {"grant_type": "client_credentials", "client_id": OPERATOR, "scope": f"{VAULT}/.default"} | form
    answer = await calm.http.post(f"{LOGIN}/{TENANT}/oauth2/v2.0/token", data=whole)
    assert codes(answer) == (status, [expected])


@pytest.mark.parametrize("path", ["oauth2/v2.0/token", "v2.0/.well-known/openid-configuration"])
async def test_an_unknown_tenant_is_told_everywhere(calm: Cloud, path: str) -> None:
    method = "POST" if path.endswith("token") else "GET"
    answer = await calm.http.request(method, f"{LOGIN}/nobody.example/{path}")
    assert codes(answer) == (400, [90002])
    assert answer.json()["error"] == "invalid_tenant"


async def test_an_error_has_the_recorded_envelope(calm: Cloud) -> None:
    answer = (await calm.token(VAULT, client_secret="wrong")).json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", answer["timestamp"])
    tail = (
        rf"Trace ID: {answer['trace_id']} Correlation ID: {answer['correlation_id']} Timestamp: {answer['timestamp']}"
    )
    assert re.fullmatch(rf"AADSTS7000215: .* {tail}", answer["error_description"])


CHECK = " federated identity credential Subject, Audience and Issuer against the presented assertion. "
NO_MATCH = "No matching federated identity record found for presented assertion"
ELDER = (
    f"Please check your{CHECK}"
    "https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"
)
NEWER = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"


@pytest.mark.parametrize(
    ("number", "gaps", "text", "has_uri"),
    [
        (700211, {"issuer": "I"}, f"{NO_MATCH} issuer 'I'. {ELDER}", False),
        (700212, {"audience": "A"}, f"{NO_MATCH} audience 'A'. {ELDER}", False),
        (700213, {"subject": "S"}, f"{NO_MATCH} subject 'S'. Check your{CHECK}{NEWER}", False),
        (
            7002138,
            {"subject": "S"},
            f"{NO_MATCH} subject 'S'. The subject matches with case-insensitive comparison, but not with "
            f"case-sensitive comparison. Check your{CHECK}See documentation at: {NEWER}. See breaking change "
            "notification and remediation at: https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes"
            "#august-2024.",
            False,
        ),
        (
            700024,
            {"current": "C", "begins": "B", "ends": "E"},
            "Client assertion is not within its valid time range. Current time: C, assertion valid from B, expiry time "
            "of assertion E. Review the documentation at "
            "https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
            False,
        ),
        (
            700016,
            {"client": "C", "directory": "Contoso"},
            "Application with identifier 'C' was not found in the directory 'Contoso'. This can happen if the "
            "application has not been installed by the administrator of the tenant or consented to by any user in the "
            "tenant. You may have sent your authentication request to the wrong tenant.",
            True,
        ),
        (
            90002,
            {"tenant": "T"},
            "Tenant 'T' not found. Check to make sure you have the correct tenant ID and are signing into the correct "
            "cloud. Check with your subscription administrator, this may happen if there are no active subscriptions "
            "for the tenant.",
            True,
        ),
        (
            900023,
            {"tenant": "T"},
            "Specified tenant identifier 'T' is neither a valid DNS name, nor a valid external domain.",
            True,
        ),
        (
            7000216,
            {},
            "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            False,
        ),
    ],
)
def test_a_failure_is_told_in_the_reported_words(number: int, gaps: dict[str, str], text: str, has_uri: bool) -> None:
    assert failure(number, datetime(2026, 1, 1, tzinfo=UTC), **gaps).message == text
    assert FAILURES[number].has_uri is has_uri


@pytest.mark.parametrize("named", ["no-domain", "two words", "a..b"])
async def test_a_tenant_that_is_neither_a_guid_nor_a_domain_is_told(calm: Cloud, named: str) -> None:
    answer = await calm.http.get(f"{LOGIN}/{named}/v2.0/.well-known/openid-configuration")
    assert codes(answer) == (400, [900023])


async def test_a_token_without_a_beginning_is_told_as_of_1970(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    claims = jwt.decode(calm.assertion(exp=1), calm.key, algorithms=["RS256"]).claims
    del claims["nbf"]
    answer = await calm.exchange(app["appId"], jwt.encode({"alg": "RS256", "kid": calm.key.kid}, claims, calm.key))
    assert "assertion valid from 1970-01-01T00:00:00.0000000Z, expiry" in answer.json()["error_description"]


async def test_discovery_names_the_endpoints_of_the_tenant(calm: Cloud) -> None:
    document = (await calm.http.get(f"{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration")).json()
    assert document["token_endpoint"] == f"{LOGIN}/{TENANT}/oauth2/v2.0/token"
    assert document["issuer"] == f"{LOGIN}/{TENANT}/v2.0"
    instance = (await calm.http.get(f"{LOGIN}/common/discovery/instance?api-version=1.1")).json()
    assert "login.microsoftonline.com" in instance["metadata"][0]["aliases"]


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_entra_did_not_issue_is_no_access_token(calm: Cloud, token: str) -> None:
    assert await tokens.verify(calm.simulation, token, VAULT) is None


async def test_an_access_token_ends_after_its_lifetime_and_holds_for_its_audience_only(calm: Cloud) -> None:
    token = (await calm.token(VAULT, client_secret=OPERATOR_SECRET)).json()["access_token"]
    assert await tokens.verify(calm.simulation, token, "https://graph.microsoft.com") is None
    calm.simulation.clock.step(3598)
    assert await tokens.verify(calm.simulation, token, f"{VAULT}/")
    calm.simulation.clock.step(1)
    assert await tokens.verify(calm.simulation, token, VAULT) is None


@pytest.mark.parametrize(
    ("claims", "credential", "expected"),
    [
        ({}, {"issuer": ISSUER.rstrip("/")}, 700211),
        ({"iss": ISSUER.rstrip("/")}, {}, 700211),
        ({"aud": ["https://kubernetes.default.svc"]}, {}, 700212),
        ({"sub": "system:serviceaccount:shop:other"}, {}, 700213),
        ({"sub": "system:serviceaccount:Shop:checkout"}, {}, 7002138),
        ({}, {"subject": SUBJECT.upper()}, 7002138),
        ({}, {"subject": "system:serviceaccount:shop:*"}, 700213),
        ({}, {"issuer": f" {ISSUER}"}, 700211),
        ({"exp": 1}, {}, 700024),
        ({"nbf": 4_000_000_000}, {}, 700024),
    ],
)
async def test_what_differs_from_the_credential_is_named(
    calm: Cloud, claims: dict[str, Any], credential: dict[str, Any], expected: int
) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    assert (await calm.federate(app, **credential)).status_code == 201
    answer = await calm.exchange(app["appId"], calm.assertion(**claims))
    assert codes(answer) == (401, [expected])
    assert answer.json()["error"] == "invalid_client"


async def test_any_one_matching_credential_is_enough(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app, name="other-audience", subject="x", audiences=["other"])
    await calm.federate(app)
    assert (await calm.exchange(app["appId"], calm.assertion(aud=[AUDIENCE, "more"]))).status_code == 200


async def test_without_any_credential_there_is_nothing_to_match(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    assert codes(await calm.exchange(app["appId"], calm.assertion())) == (401, [70025])


async def test_an_issuer_that_cannot_be_reached_is_told(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    assert codes(await calm.exchange(app["appId"], calm.assertion())) == (400, [90061])
    calm.publish_issuer()
    del calm.published["https://issuer.example/cluster/jwks"]
    assert codes(await calm.exchange(app["appId"], calm.assertion())) == (400, [50166])


async def test_an_assertion_signed_by_somebody_else_is_refused(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    calm.key = RSAKey.generate_key(2048, parameters={"kid": calm.key.kid or ""})
    assert codes(await calm.exchange(app["appId"], calm.assertion())) == (401, [50013])


async def test_only_rs256_is_accepted(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    claims = jwt.decode(calm.assertion(), calm.key, algorithms=["RS256"]).claims
    forged = jwt.encode({"alg": "HS256", "kid": calm.key.kid}, claims, OctKey.generate_key(256))
    assert codes(await calm.exchange(app["appId"], forged)) == (401, [50013])
    assert codes(await calm.exchange(app["appId"], "not a token")) == (400, [50027])


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"exp": 1e300}, {"nbf": None}, {"exp": -1}])
async def test_an_assertion_whose_times_are_none_is_malformed(calm: Cloud, claims: dict[str, Any]) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    whole = jwt.decode(calm.assertion(), calm.key, algorithms=["RS256"]).claims | claims
    assertion = jws.serialize_compact({"alg": "RS256"}, json.dumps(whole), calm.key)
    assert codes(await calm.exchange(app["appId"], assertion)) == (400, [50027])


async def test_a_new_credential_is_honoured_only_after_a_while(slow: Cloud) -> None:
    slow.publish_issuer()
    app, _ = await slow.make_application()
    await slow.federate(app)
    assert codes(await slow.exchange(app["appId"], slow.assertion())) == (401, [70025])
    slow.simulation.clock.step(60)
    assert (await slow.exchange(app["appId"], slow.assertion())).status_code == 200


async def test_an_edited_credential_keeps_its_former_trust_for_a_while(slow: Cloud) -> None:
    slow.publish_issuer()
    app, _ = await slow.make_application()
    made = (await slow.federate(app, subject="former")).json()
    slow.simulation.clock.step(60)
    path = f"/applications/{app['id']}/federatedIdentityCredentials/{made['id']}"
    assert (await slow.graph("PATCH", path, {"subject": SUBJECT})).status_code == 204
    assert codes(await slow.exchange(app["appId"], slow.assertion())) == (401, [700213])
    assert (await slow.exchange(app["appId"], slow.assertion(sub="former"))).status_code == 200
    slow.simulation.clock.step(60)
    assert (await slow.exchange(app["appId"], slow.assertion())).status_code == 200


async def test_a_young_credential_flaps_and_an_old_one_does_not(calm: Cloud) -> None:
    calm.publish_issuer()
    app, _ = await calm.make_application()
    await calm.federate(app)
    calm.simulation.weather.change(federation_flapping=1.0)
    assert codes(await calm.exchange(app["appId"], calm.assertion())) == (401, [70025])
    calm.simulation.clock.step(300)
    assert (await calm.exchange(app["appId"], calm.assertion())).status_code == 200


async def test_an_application_signs_in_once_it_and_its_principal_are_replicated(slow: Cloud) -> None:
    app = (await slow.graph("POST", "/applications", {"displayName": "app"})).json()
    assert codes(await slow.token(VAULT, client=app["appId"], client_secret="x")) == (400, [700016])
    slow.simulation.clock.step(20)
    assert codes(await slow.token(VAULT, client=app["appId"], client_secret="x")) == (401, [7000229])
    await slow.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
    slow.simulation.clock.step(20)
    assert codes(await slow.token(VAULT, client=app["appId"], client_secret="x")) == (401, [7000215])


async def test_an_added_password_signs_in_until_it_ends(calm: Cloud) -> None:
    app, principal = await calm.make_application()
    password = {"passwordCredential": {"displayName": "ci", "endDateTime": "2026-03-02T00:00:00Z"}}
    added = await calm.graph("POST", f"/applications/{app['id']}/addPassword", password)
    text = added.json()["secretText"]
    assert (added.status_code, added.json()["hint"]) == (200, text[:3])
    token = (await calm.token(VAULT, client=app["appId"], client_secret=text)).json()["access_token"]
    claims = await tokens.verify(calm.simulation, token, VAULT)
    assert claims is not None
    assert claims["oid"] == principal["id"]
    shown = (await calm.graph("GET", f"/applications/{app['id']}")).json()["passwordCredentials"][0]
    assert shown["secretText"] is None
    calm.simulation.clock.step(86400)
    assert codes(await calm.token(VAULT, client=app["appId"], client_secret=text)) == (401, [7000222])


async def test_a_disabled_principal_gets_no_token_by_whatever_proof(calm: Cloud) -> None:
    calm.publish_issuer()
    app, principal = await calm.make_application()
    await calm.federate(app)
    text = (await calm.graph("POST", f"/applications/{app['id']}/addPassword")).json()["secretText"]
    path = f"/servicePrincipals/{principal['id']}"
    assert (await calm.graph("PATCH", path, {"accountEnabled": False})).status_code == 204
    refused = await calm.exchange(app["appId"], calm.assertion())
    assert codes(refused) == (400, [7000112])
    assert refused.json()["error"] == "unauthorized_client"
    words = f"AADSTS7000112: Application '{app['appId']}'(app) is disabled. Trace ID: "
    assert refused.json()["error_description"].startswith(words)
    assert codes(await calm.token(VAULT, client=app["appId"], client_secret=text)) == (400, [7000112])
    assert (await calm.graph("PATCH", path, {"accountEnabled": True})).status_code == 204
    assert (await calm.exchange(app["appId"], calm.assertion())).status_code == 200
