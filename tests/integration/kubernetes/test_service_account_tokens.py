"""Tokens of ServiceAccounts: asking for them, what is in them, and whom they let in."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from one_cluster import HOST, ISSUER, Api, OneCluster
from starlette.requests import Request

from simulator.clock import Clock
from simulator.kubernetes import oidc, signing
from simulator.kubernetes.cluster import Cluster
from simulator.routing import Service

N = "/api/v1/namespaces/f1"
EXCHANGE = "api://AzureADTokenExchange"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture
async def account(cluster: Cluster) -> dict[str, Any]:
    return await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")


async def request_token(api: Api, name: str = "wi", **spec: Any) -> dict[str, Any]:
    body: dict[str, Any] = await api.post(f"{N}/serviceaccounts/{name}/token", {"spec": spec} if spec else {})
    return body


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


async def test_the_answer_to_a_token_request(api: Api, account: dict[str, Any], clock: Clock) -> None:
    answer = await request_token(api, audiences=[EXCHANGE], expirationSeconds=1200)
    assert answer["spec"] == {"audiences": [EXCHANGE], "expirationSeconds": 1200, "boundObjectRef": None}
    assert answer["status"]["expirationTimestamp"] == "2026-06-01T12:20:00Z"
    assert answer["metadata"]["uid"] == account["metadata"]["uid"]
    assert "resourceVersion" not in answer["metadata"]


async def test_the_claims_of_a_token(api: Api, account: dict[str, Any], clock: Clock) -> None:
    claims = claims_of((await request_token(api, audiences=[EXCHANGE]))["status"]["token"])
    now = int(clock.seconds())
    assert list(claims) == ["aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"]
    assert claims["aud"] == [EXCHANGE]
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (now, now, now + 3600)
    assert claims["iss"] == ISSUER
    assert claims["sub"] == "system:serviceaccount:f1:wi"
    identity = {"name": "wi", "uid": account["metadata"]["uid"]}
    assert claims["kubernetes.io"] == {"namespace": "f1", "serviceaccount": identity}


async def test_the_header_names_the_hash_of_the_public_key(api: Api, account: dict[str, Any], signing_key: str) -> None:
    token = (await request_token(api))["status"]["token"]
    header = base64.urlsafe_b64decode(token.split(".")[0] + "==").decode()
    key = serialization.load_pem_private_key(signing_key.encode(), None).public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    kid = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert header == json.dumps({"alg": "RS256", "kid": kid}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (599, "may not specify a duration less than 10 minutes"),
        (0, "may not specify a duration less than 10 minutes"),
        ((1 << 32) + 1, "may not specify a duration larger than 2^32 seconds"),
    ],
)
async def test_lifetimes_have_bounds(api: Api, account: dict[str, Any], seconds: int, why: str) -> None:
    response = await api.ask("POST", f"{N}/serviceaccounts/wi/token", {"spec": {"expirationSeconds": seconds}})
    assert response.status_code == 422
    cause = response.json()["details"]["causes"][0]
    assert cause["message"] == f"Invalid value: {seconds}: {why}"
    assert response.json()["details"]["kind"] == "TokenRequest"


async def test_a_token_for_a_missing_account_is_not_given(api: Api) -> None:
    response = await api.ask("POST", f"{N}/serviceaccounts/nope/token", {})
    assert (response.status_code, response.json()["message"]) == (404, 'serviceaccounts "nope" not found')


async def test_a_token_bound_to_a_pod_dies_with_it(api: Api, cluster: Cluster, account: dict[str, Any]) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "wi", "containers": [{"name": "c", "image": "i"}]}}
    stored = await cluster.create("pods", pod, namespace="f1")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = (await request_token(api, boundObjectRef=reference))["status"]["token"]
    assert claims_of(token)["kubernetes.io"]["pod"] == {"name": "p", "uid": stored["metadata"]["uid"]}
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]["authenticated"] is True
    cluster.remove("pods", "p", "f1")
    assert "authenticated" not in (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]


async def test_the_mounted_token_lives_a_year_and_says_otherwise(
    api: Api, cluster: Cluster, account: dict[str, Any]
) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "wi", "containers": [{"name": "c", "image": "i"}]}}
    await cluster.create("pods", pod, namespace="f1")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    answer = await request_token(api, boundObjectRef=reference, expirationSeconds=3607)
    claims = claims_of(answer["status"]["token"])
    assert claims["exp"] - claims["iat"] == 31_536_000
    assert claims["kubernetes.io"]["warnafter"] == claims["iat"] + 3607
    assert answer["status"]["expirationTimestamp"] == "2026-06-01T13:00:07Z"


async def test_a_pod_of_another_account_cannot_be_bound(api: Api, cluster: Cluster, account: dict[str, Any]) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await cluster.create("pods", pod, namespace="f1")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    response = await api.ask("POST", f"{N}/serviceaccounts/wi/token", {"spec": {"boundObjectRef": reference}})
    expected = 'cannot bind token for serviceaccount "wi" to pod running with different serviceaccount name.'
    assert (response.status_code, response.json()["message"]) == (400, expected)


async def test_an_account_may_find_out_who_it_is_and_no_more(api: Api, account: dict[str, Any]) -> None:
    as_account = api.as_user((await request_token(api))["status"]["token"])
    review = await as_account.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    info = review["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:f1:wi"
    assert info["groups"] == ["system:serviceaccounts", "system:serviceaccounts:f1", "system:authenticated"]
    response = await as_account.ask("GET", f"{N}/secrets/x")
    assert response.status_code == 403
    assert response.headers["x-content-type-options"] == "nosniff"
    expected = 'cannot get resource "secrets" in API group "" in the namespace "f1"'
    assert response.json()["message"] == f'secrets "x" is forbidden: User "system:serviceaccount:f1:wi" {expected}'
    assert response.json()["details"] == {"name": "x", "kind": "secrets"}
    configuration = await as_account.get("/.well-known/openid-configuration")
    assert configuration["issuer"] == ISSUER


@pytest.mark.parametrize("spoil", ["audience", "expiry", "account"])
async def test_a_token_that_is_not_good_is_unauthorized(
    api: Api, cluster: Cluster, account: dict[str, Any], clock: Clock, spoil: str
) -> None:
    audiences = [EXCHANGE] if spoil == "audience" else [f"https://{HOST}"]
    token = (await request_token(api, audiences=audiences))["status"]["token"]
    if spoil == "expiry":
        clock.step(3600)
    if spoil == "account":
        cluster.remove("serviceaccounts", "wi", "f1")
        await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")
    response = await api.as_user(token).ask("GET", f"{N}/pods")
    assert (response.status_code, response.json()["message"]) == (401, "Unauthorized")
    assert "www-authenticate" not in response.headers


async def test_a_review_names_the_audiences_that_do_not_fit(api: Api, account: dict[str, Any]) -> None:
    token = (await request_token(api, audiences=[EXCHANGE]))["status"]["token"]
    status = (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]
    text = f'token audiences ["{EXCHANGE}"] is invalid for the target audiences ["https://{HOST}"]'
    assert status == {"user": {}, "error": f"[invalid bearer token, {text}]"}
    good = (await api.post(REVIEWS, {"spec": {"token": token, "audiences": [EXCHANGE]}}))["status"]
    assert (good["authenticated"], good["audiences"]) == (True, [EXCHANGE])


async def test_a_rotated_key_still_verifies(api: Api, cluster: Cluster, account: dict[str, Any]) -> None:
    token = (await request_token(api))["status"]["token"]
    cluster.state.keys.insert(0, signing.new_key())
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]["authenticated"] is True
    newer = (await request_token(api))["status"]["token"]
    assert token.split(".")[0] != newer.split(".")[0]
    assert len((await api.get("/openid/v1/jwks"))["keys"]) == 2


async def test_the_key_set_has_a_media_type_of_its_own(api: Api) -> None:
    assert (await api.ask("GET", "/openid/v1/jwks", accept="application/json")).status_code == 406
    response = await api.ask("GET", "/openid/v1/jwks")
    assert response.headers["content-type"] == "application/jwk-set+json"
    assert response.headers["cache-control"] == "public, max-age=3600"
    assert set(response.json()["keys"][0]) == {"use", "kty", "kid", "alg", "n", "e"}


async def test_aks_publishes_the_issuer_to_everybody(simulation: OneCluster) -> None:
    async def get(url: str) -> Any:
        scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [(b"host", url.split("/")[2].encode())]}
        path = "/" + url.split("/", 3)[3]
        scope |= {"scheme": "https", "path": path, "raw_path": path.encode(), "query_string": b"", "server": None}
        answer = await Service(simulation, oidc.ROUTES)._answer(Request(scope))  # type: ignore[arg-type]
        return json.loads(bytes(answer.body))

    configuration = await get(f"{ISSUER}.well-known/openid-configuration")
    assert list(configuration) == [
        "issuer",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ]
    assert configuration["issuer"] == ISSUER
    assert configuration["jwks_uri"] == f"{ISSUER}openid/v1/jwks"
    assert await get(configuration["jwks_uri"]) == simulation.cluster.jwks()
