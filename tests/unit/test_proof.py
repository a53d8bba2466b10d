"""What a pod must look like after admission, and when a proof must be made anew."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fleet.proof import Chain, Proof, admission_problems, touched
from fleet.resources import Resource
from fleet.wanted import wanted

from .worlds import a_fleet, aks, as_wanted, empty, managed

CHAIN = Chain(
    cluster="one",
    namespace="space",
    service_account="account",
    identity="app",
    issuer="https://issuer.example/one/",
    client_id="client",
    tenant_id="tenant",
    vault="vault",
    secret="secret",
)
MOUNT = "/var/run/secrets/azure/wi"
TOKEN = f"{MOUNT}/token/azure-identity-token"


def admitted(mount: str = MOUNT, token: str = TOKEN) -> dict[str, Any]:
    """A pod as the webhook v1.6 makes it."""
    env = {
        "AZURE_CLIENT_ID": "client",
        "AZURE_TENANT_ID": "tenant",
        "AZURE_FEDERATED_TOKEN_FILE": token,
        "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
    }
    source = {"path": "token/azure-identity-token", "audience": "api://AzureADTokenExchange"}
    volume = {"name": "reserved", "projected": {"sources": [{"serviceAccountToken": source}]}}
    container = {
        "name": "check",
        "image": "check",
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "volumeMounts": [{"name": "reserved", "mountPath": mount, "readOnly": True}],
    }
    return {"spec": {"serviceAccountName": "account", "containers": [container], "volumes": [volume]}}


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """The container that is looked at."""
    first: dict[str, Any] = pod["spec"]["containers"][0]
    return first


def variable(name: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    """Sets a variable of the pod, or takes it away."""

    def change(pod: dict[str, Any]) -> None:
        others = [item for item in container(pod)["env"] if item["name"] != name]
        container(pod)["env"] = [*others, *([] if value is None else [{"name": name, "value": value}])]

    return change


def test_a_pod_that_the_webhook_has_made_right_has_no_problem() -> None:
    assert admission_problems(admitted(), CHAIN) == ()


def test_where_the_token_lies_is_read_from_the_pod() -> None:
    old = "/var/run/secrets/azure/tokens"
    assert admission_problems(admitted(old, f"{old}/azure-identity-token"), CHAIN) == ()


def test_what_others_put_into_the_pod_is_no_problem() -> None:
    pod = admitted()
    container(pod)["env"].insert(0, {"name": "FROM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    container(pod)["volumeMounts"].insert(0, {"name": "scratch", "mountPath": "/tmp"})
    pod["spec"]["volumes"].insert(0, {"name": "scratch", "emptyDir": {}})
    sources = pod["spec"]["volumes"][1]["projected"]["sources"]
    sources.insert(0, {"configMap": {"name": "kube-root-ca.crt"}})
    assert admission_problems(pod, CHAIN) == ()


@pytest.mark.parametrize(
    "pod",
    [
        {"spec": {"containers": [{"name": "check"}]}},
        {"spec": {"containers": [{"name": "check", "env": None}], "volumes": None}},
        {"spec": {"containers": [{"name": "check", "env": [{"name": "AZURE_CLIENT_ID", "value": "client"}]}]}},
    ],
    ids=["no variables", "null variables", "variables of its own"],
)
def test_a_pod_that_the_webhook_left_alone_asks_whether_it_runs(pod: dict[str, Any]) -> None:
    (problem,) = admission_problems(pod, CHAIN)
    assert problem == "the webhook left the pod as it was: is it running, and does it see this namespace?"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (variable("AZURE_CLIENT_ID", "old"), "AZURE_CLIENT_ID is old in the pod, expected client"),
        (variable("AZURE_CLIENT_ID", None), "AZURE_CLIENT_ID is absent in the pod, expected client"),
        (variable("AZURE_CLIENT_ID", ""), "AZURE_CLIENT_ID is absent in the pod, expected client"),
        (variable("AZURE_TENANT_ID", "Tenant"), "AZURE_TENANT_ID is Tenant in the pod, expected tenant"),
        (
            variable("AZURE_AUTHORITY_HOST", "https://login.chinacloudapi.cn/"),
            "AZURE_AUTHORITY_HOST is https://login.chinacloudapi.cn/ in the pod, expected "
            "https://login.microsoftonline.com/",
        ),
    ],
    ids=["another client", "no client", "an empty client", "another tenant", "another cloud"],
)
def test_a_wrong_variable_tells_what_it_is_and_what_it_should_be(
    change: Callable[[dict[str, Any]], None], problem: str
) -> None:
    pod = admitted()
    change(pod)
    assert admission_problems(pod, CHAIN) == (problem,)


def without_volume(pod: dict[str, Any]) -> None:
    pod["spec"]["volumes"] = []


def without_mount(pod: dict[str, Any]) -> None:
    container(pod)["volumeMounts"] = []


def mounted_beside(pod: dict[str, Any]) -> None:
    container(pod)["volumeMounts"][0]["mountPath"] = f"{MOUNT[:-1]}"


def of_a_secret(pod: dict[str, Any]) -> None:
    pod["spec"]["volumes"] = [{"name": "reserved", "secret": {"secretName": "token"}}]


def for_another_audience(pod: dict[str, Any]) -> None:
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"] = "api://other"


def for_the_api_server(pod: dict[str, Any]) -> None:
    del pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"]


@pytest.mark.parametrize(
    "change", [without_volume, without_mount, mounted_beside, of_a_secret, for_another_audience, for_the_api_server]
)
def test_a_pod_without_the_right_token_says_where_it_should_lie(change: Callable[[dict[str, Any]], None]) -> None:
    pod = admitted()
    change(pod)
    assert admission_problems(pod, CHAIN) == (f"no volume puts a token for api://AzureADTokenExchange at {TOKEN}",)


def test_all_problems_of_a_pod_are_told_at_once() -> None:
    pod = admitted()
    variable("AZURE_CLIENT_ID", "old")(pod)
    variable("AZURE_TENANT_ID", "old")(pod)
    without_volume(pod)
    assert len(admission_problems(pod, CHAIN)) == 3


def test_the_pod_is_only_looked_at() -> None:
    pod = admitted()
    before = copy.deepcopy(pod)
    admission_problems(pod, CHAIN)
    assert pod == before


# Fingerprints


@pytest.mark.parametrize("field", list(Chain.model_fields))
def test_every_link_is_in_the_fingerprint(field: str) -> None:
    assert CHAIN.model_copy(update={field: "another"}).fingerprint != CHAIN.fingerprint


def test_an_unchanged_chain_has_an_unchanged_fingerprint() -> None:
    assert Chain.model_validate_json(CHAIN.model_dump_json()).fingerprint == CHAIN.fingerprint


def test_values_that_swap_places_change_the_fingerprint() -> None:
    swapped = CHAIN.model_copy(update={"vault": CHAIN.secret, "secret": CHAIN.vault})
    assert swapped.fingerprint != CHAIN.fingerprint


# Which changes touch which chain


def objects(**parts: Any) -> dict[str, Resource]:
    """The objects of a fleet by key, resolved."""
    fleet = a_fleet(**parts)
    keys = [item.resource.key for item in wanted(fleet, empty())]
    return dict(zip(keys, (found.resource for found in as_wanted(fleet).found), strict=True))


TOUCHING = [
    "cluster:one",
    "webhook:one",
    "vault:vault",
    "access-policy:operator/vault",
    "secret:vault/secret",
    "application:app",
    "service-principal:app",
    "access-policy:app/vault",
    "federated-credential:app/one/space/account",
    "namespace:one/space",
    "service-account:one/space/account",
    "deployment:one/space/web",
]


@pytest.mark.parametrize("key", TOUCHING)
def test_a_change_of_a_link_touches_the_chain(key: str) -> None:
    assert touched([objects()[key]])(CHAIN)


@pytest.mark.parametrize("key", TOUCHING)
def test_a_change_of_another_chains_link_does_not(key: str) -> None:
    elsewhere = CHAIN.model_copy(update={"cluster": "two", "identity": "bot", "vault": "safe"})
    assert not touched([objects()[key]])(elsewhere)


def test_a_managed_identity_and_its_role_touch_the_chain() -> None:
    there = objects(identities=[managed("app", access=[{"vault": "vault", "roles": ["Reader"]}])])
    assert touched([there["managed-identity:app"]])(CHAIN)
    assert touched([there["role-assignment:app/vault/Reader"]])(CHAIN)


def test_a_preview_feature_alone_touches_no_chain() -> None:
    assert not touched([objects(clusters=[aks(preview_features=["one"])])["feature:one"]])(CHAIN)


# Words


def test_a_proof_reads_as_what_was_done() -> None:
    assert str(Proof(chain=CHAIN, holds=True)) == "read secret as system:serviceaccount:space:account on one"


def test_a_failed_proof_reads_as_what_is_broken() -> None:
    proof = Proof(chain=CHAIN, holds=False, problems=("no token", "no policy"))
    assert str(proof) == "system:serviceaccount:space:account on one cannot read secret: no token; no policy"
