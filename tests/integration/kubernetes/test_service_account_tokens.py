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


REFUSED = [
    ("missing_sa", "f1", "nope", {}, 404, 'serviceaccounts "nope" not found'),
    ("missing_ns", "nons", "wi", {}, 404, 'namespaces "nons" not found'),
    ("name_mismatch", "f1", "wi", {"metadata": {"name": "other"}}, 422, 'TokenRequest.authentication.k8s.io "wi" is '
     'invalid: metadata.name: Invalid value: "other": must match the service account name if specified'),
    ("ns_mismatch", "f1", "wi", {"metadata": {"namespace": "other"}}, 400,
     "the namespace of the provided object does not match the namespace sent on the request"),
    ("audiences_not_list", "f1", "wi", {"spec": {"audiences": "a"}}, 400, 'TokenRequest in version "v1" cannot be '
     "handled as a TokenRequest: json: cannot unmarshal string into Go struct field TokenRequestSpec.spec.audiences of "
     "type []string"),
    *((f"bound-{name}", "f1", "wi", {"spec": {"boundObjectRef": {"apiVersion": "v1", **reference}}}, code, message)
      for name, reference, code, message in [
          ("other_kind", {"kind": "ConfigMap", "name": "c"}, 400, "cannot bind token to object of type /v1, "
           "Kind=ConfigMap"),
          ("missing", {"kind": "Pod", "name": "nope"}, 404, 'pods "nope" not found'),
          ("missing-secret", {"kind": "Secret", "name": "nope"}, 404, 'secrets "nope" not found'),
          ("uid_mismatch", {"kind": "Pod", "name": "p2", "uid": "bad"}, 409, 'Operation cannot be fulfilled on Pod '
           '"p2": the UID in the bound object reference (bad) does not match the UID in record. The object might have '
           "been deleted and then recreated"),
          ("pod_of_other_sa", {"kind": "Pod", "name": "p2"}, 400, 'cannot bind token for serviceaccount "wi" to pod '
           "running with different serviceaccount name."),
      ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("namespace", "name", "body", "code", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
async def test_a_token_that_cannot_be_given(
    api: Api,
    cluster: Cluster,
    account: dict[str, Any],
    namespace: str,
    name: str,
    body: dict[str, Any],
    code: int,
    message: str,
) -> None:
    pod = {"metadata": {"name": "p2"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await cluster.create("pods", pod, namespace="f1")
    response = await api.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body)
    assert (response.status_code, response.json()["message"]) == (code, message)
    if code == 409:
        assert response.json()["details"] == {"name": "p2", "kind": "Pod"}


@pytest.mark.parametrize(
    ("asked", "given", "owned"),
    [
        ({}, [f"https://{HOST}"], {"f:expirationSeconds": {}}),
        ({"audiences": []}, [f"https://{HOST}"], {"f:expirationSeconds": {}}),
        *(
            ({"audiences": [audience]}, [audience], {"f:audiences": {}, "f:expirationSeconds": {}})
            for audience in (EXCHANGE, "", "a b", "http://x")
        ),
    ],
)
async def test_any_text_is_an_audience(
    api: Api,
    account: dict[str, Any],
    asked: dict[str, Any],
    given: list[str],
    owned: dict[str, Any],
) -> None:
    answer = await request_token(api, **asked)
    assert answer["spec"] == {"audiences": given, "expirationSeconds": 3600, "boundObjectRef": None}
    assert claims_of(answer["status"]["token"])["aud"] == given
    entry = answer["metadata"]["managedFields"][0]
    assert (entry["operation"], entry["subresource"], entry["apiVersion"]) == (
        "Update",
        "token",
        "authentication.k8s.io/v1",
    )
    assert entry["fieldsV1"] == {"f:spec": owned}


@pytest.mark.parametrize("seconds", [600, 86_400, 315_360_000, 1 << 32])
async def test_a_lifetime_is_granted_in_full(api: Api, account: dict[str, Any], seconds: int) -> None:
    claims = claims_of((await request_token(api, expirationSeconds=seconds))["status"]["token"])
    assert claims["exp"] - claims["iat"] == seconds


async def test_a_dry_run_gives_a_token_and_none_changes_the_account(api: Api, account: dict[str, Any]) -> None:
    answer = await api.post(f"{N}/serviceaccounts/wi/token?dryRun=All", {})
    assert answer["kind"] == "TokenRequest"
    assert await api.get(f"{N}/serviceaccounts/wi") == account


async def test_a_token_names_the_secret_or_the_node_that_it_is_bound_to(
    api: Api, cluster: Cluster, account: dict[str, Any]
) -> None:
    secret = await cluster.create("secrets", {"metadata": {"name": "s"}}, namespace="f1")
    node = cluster.write("nodes", {"metadata": {"name": "n1"}})
    spec = {"serviceAccountName": "wi", "nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}
    pod = await cluster.create("pods", {"metadata": {"name": "p"}, "spec": spec}, namespace="f1")
    uid = {"secret": secret["metadata"]["uid"], "node": node["metadata"]["uid"], "pod": pod["metadata"]["uid"]}
    names = {"secret": "s", "node": "n1", "pod": "p"}
    for kind, bound in (("Secret", ["secret"]), ("Node", ["node"]), ("Pod", ["node", "pod"])):
        reference = {"kind": kind, "apiVersion": "v1", "name": names[kind.lower()]}
        answer = await request_token(api, boundObjectRef=reference)
        claims = claims_of(answer["status"]["token"])["kubernetes.io"]
        assert answer["spec"]["boundObjectRef"] == reference
        assert {name: claims.get(name) for name in names} == {
            name: {"name": names[name], "uid": uid[name]} if name in bound else None for name in names
        }


async def test_a_token_bound_to_a_pod_dies_with_it(
    api: Api, cluster: Cluster, account: dict[str, Any], clock: Clock
) -> None:
    """A good token is known for ten seconds; one that was not used before is not."""
    pod = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "wi", "containers": [{"name": "c", "image": "i"}]}}
    stored = await cluster.create("pods", pod, namespace="f1")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    token = (await request_token(api, boundObjectRef=reference))["status"]["token"]
    assert claims_of(token)["kubernetes.io"]["pod"] == {"name": "p", "uid": stored["metadata"]["uid"]}
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]["authenticated"] is True
    unused = (await request_token(api, boundObjectRef=reference))["status"]["token"]
    cluster.remove("pods", "p", "f1")
    gone = {"user": {}, "error": "[invalid bearer token, service account token has been invalidated]"}
    assert (await api.post(REVIEWS, {"spec": {"token": unused}}))["status"] == gone
    clock.step(9)
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]["authenticated"] is True
    clock.step(1)
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"] == gone


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


@pytest.mark.parametrize(
    ("token", "error"),
    [("garbage", "invalid bearer token"), ("a.b.c", "invalid bearer token"), ("deleted", 'serviceaccounts "wi" not')],
)
async def test_a_review_of_a_bad_token_is_made_all_the_same(
    api: Api, cluster: Cluster, account: dict[str, Any], token: str, error: str
) -> None:
    if token == "deleted":
        token = (await request_token(api))["status"]["token"]
        cluster.remove("serviceaccounts", "wi", "f1")
    review = await api.post(REVIEWS, {"spec": {"token": token}})
    assert error in review["status"].pop("error")
    assert review["status"] == {"user": {}}
    assert list(review["metadata"]) == ["managedFields"]
    assert review["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:token": {}}}


async def test_a_review_needs_a_token(api: Api) -> None:
    response = await api.ask("POST", REVIEWS, {"spec": {}})
    expected = "token is required for TokenReview in authentication"
    assert (response.status_code, response.json()["message"]) == (400, expected)


async def test_a_good_token_is_reviewed_with_its_user(api: Api, account: dict[str, Any]) -> None:
    token = (await request_token(api))["status"]["token"]
    identifier = {"authentication.kubernetes.io/credential-id": [f"JTI={claims_of(token)['jti']}"]}
    groups = ["system:serviceaccounts", "system:serviceaccounts:f1", "system:authenticated"]
    user = {"username": "system:serviceaccount:f1:wi", "uid": account["metadata"]["uid"], "groups": groups}
    expected = {"authenticated": True, "user": {**user, "extra": identifier}, "audiences": [f"https://{HOST}"]}
    assert (await api.post(REVIEWS, {"spec": {"token": token}}))["status"] == expected
    asked = {"spec": {"token": token, "audiences": ["x", f"https://{HOST}"]}}
    assert (await api.post(REVIEWS, asked))["status"]["audiences"] == [f"https://{HOST}"]


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


@pytest.mark.parametrize(
    ("path", "accept", "code", "media"),
    [
        ("/.well-known/openid-configuration", "application/json, */*", 200, "application/json"),
        ("/.well-known/openid-configuration", "", 200, "application/json"),
        ("/openid/v1/jwks", "", 200, "application/jwk-set+json"),
        ("/openid/v1/jwks", "*/*", 200, "application/jwk-set+json"),
        ("/openid/v1/jwks", "application/jwk-set+json", 200, "application/jwk-set+json"),
        ("/openid/v1/jwks", "application/json", 406, "application/json"),
    ],
)
async def test_the_issuers_documents_are_of_one_media_type(
    api: Api, path: str, accept: str, code: int, media: str
) -> None:
    response = await api.ask("GET", path, accept=accept)
    assert (response.status_code, response.headers["content-type"]) == (code, media)
    if code == 200:
        assert response.headers["cache-control"] == "public, max-age=3600"
    else:
        expected = "406: Not Acceptable\n\nAvailable representations: application/jwk-set+json"
        assert response.json()["message"] == expected


async def test_the_key_set_holds_the_public_halves(api: Api, signing_key: str) -> None:
    key = (await api.get("/openid/v1/jwks"))["keys"][0]
    assert list(key) == ["use", "kty", "kid", "alg", "n", "e"]
    assert (key["use"], key["kty"], key["alg"], key["e"]) == ("sig", "RSA", "RS256", "AQAB")


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
