"""Secrets that hold a ServiceAccount's token: what is filled in, whom it lets in, and when it goes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from eventually import eventually
from one_cluster import HOST, Api

from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]

N = "/api/v1/namespaces/f1"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def token_secret(name: str = "t", **more: Any) -> Json:
    metadata = {"name": name, "annotations": {NAME: "wi"}}
    return {"metadata": metadata, "type": "kubernetes.io/service-account-token", **more}


@pytest.fixture
async def account(cluster: Cluster) -> Json:
    cluster.state.ca = "PEM"
    return await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")


async def filled(cluster: Cluster, **more: Any) -> Json:
    """A token Secret, as soon as the controller has filled it in."""
    await cluster.create("secrets", token_secret(**more), namespace="f1")
    await eventually(lambda: "token" in (cluster.get("secrets", "t", "f1") or {}).get("data", {}))
    return cluster.get("secrets", "t", "f1") or {}


def data_of(secret: Json) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


async def test_it_is_filled_in(cluster: Cluster, account: Json) -> None:
    secret = await filled(cluster, data={"own": "Yg=="})
    data = data_of(secret)
    assert (data["ca.crt"], data["namespace"], data["own"]) == ("PEM", "f1", "b")
    uid = account["metadata"]["uid"]
    assert secret["metadata"]["annotations"] == {NAME: "wi", UID: uid}
    payload = data["token"].split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "==")) == {
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": "f1",
        "kubernetes.io/serviceaccount/secret.name": "t",
        "kubernetes.io/serviceaccount/service-account.name": "wi",
        "kubernetes.io/serviceaccount/service-account.uid": uid,
        "sub": "system:serviceaccount:f1:wi",
    }


async def test_a_new_account_has_none(api: Api, cluster: Cluster, account: Json) -> None:
    await filled(cluster)
    assert "secrets" not in await api.get(f"{N}/serviceaccounts/wi")
    assert [secret["metadata"]["name"] for secret in cluster.list("secrets", "f1")] == ["t"]


async def test_its_token_is_its_accounts(api: Api, cluster: Cluster, account: Json) -> None:
    token = data_of(await filled(cluster))["token"]
    info = (await api.as_user(token).post("/apis/authentication.k8s.io/v1/selfsubjectreviews", {}))["status"]
    groups = ["system:serviceaccounts", "system:serviceaccounts:f1", "system:authenticated"]
    expected = {"username": "system:serviceaccount:f1:wi", "uid": account["metadata"]["uid"], "groups": groups}
    assert info["userInfo"] == expected
    status = (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]
    assert status == {"authenticated": True, "user": expected, "audiences": [f"https://{HOST}"]}
    elsewhere = (await api.post(REVIEWS, {"spec": {"token": token, "audiences": ["api://elsewhere"]}}))["status"]
    assert 'invalid for the target audiences ["api://elsewhere"]' in elsewhere["error"]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        ("secret", "service account token has been invalidated"),
        ("token", "service account token has been invalidated"),
        ("account", 'serviceaccounts "wi" not found'),
        ("recreated", "service account UID ({new}) does not match claim ({old})"),
    ],
)
async def test_its_token_ends_with_what_it_stands_for(
    api: Api, cluster: Cluster, account: Json, spoil: str, error: str
) -> None:
    secret = await filled(cluster)
    token, new = data_of(secret)["token"], ""
    if spoil == "secret":
        cluster.remove("secrets", "t", "f1")
    elif spoil == "token":
        cluster.write("secrets", secret | {"data": secret["data"] | {"token": "eA=="}})
    else:
        cluster.remove("serviceaccounts", "wi", "f1")
    if spoil == "recreated":
        made = await cluster.create("serviceaccounts", {"metadata": {"name": "wi"}}, namespace="f1")
        new = made["metadata"]["uid"]
    status = (await api.post(REVIEWS, {"spec": {"token": token}}))["status"]
    told = error.format(new=new, old=account["metadata"]["uid"])
    assert status == {"user": {}, "error": f"[invalid bearer token, {told}]"}


async def test_it_goes_with_its_account_and_without_one_does_not_stay(cluster: Cluster, account: Json) -> None:
    await filled(cluster)
    cluster.remove("serviceaccounts", "wi", "f1")
    await eventually(lambda: cluster.get("secrets", "t", "f1") is None)
    await cluster.create("secrets", token_secret("late"), namespace="f1")
    await eventually(lambda: cluster.get("secrets", "late", "f1") is None)


async def test_one_that_a_stopped_cluster_left_empty_is_filled_in_when_it_goes_on(
    cluster: Cluster, account: Json
) -> None:
    await cluster.stop()
    await cluster.create("secrets", token_secret(), namespace="f1")
    assert "data" not in (cluster.get("secrets", "t", "f1") or {})
    await cluster.start()
    await eventually(lambda: "token" in (cluster.get("secrets", "t", "f1") or {}).get("data", {}))
