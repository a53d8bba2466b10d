"""The webhook does to every recorded pod what the real one did."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import jsonpatch
import pytest
from recorded_admission import CASES, FACTS, Case, containers, lost, service_account

from simulator.webhook.mutation import Denied, mutate, service_account_name
from simulator.webhook.review import answer_review
from simulator.webhook.settings import Settings, StartupFailure, read_settings

UID = "00000000-0000-4000-8000-0000000000aa"


def settings_of(name: str) -> Settings:
    recorded = FACTS["settings"][name]
    return read_settings(recorded["environment"], recorded["arguments"])


def mutated(case: Case) -> dict[str, Any]:
    account = service_account(case.namespace, service_account_name(case.pod))
    return mutate(case.pod, account, settings_of(case.settings), FACTS["settings"][case.settings]["server_version"])


def answer(obj: Any, **envelope: Any) -> dict[str, Any]:
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", **envelope}
    review["request"] = {"uid": UID, "namespace": "wi", "operation": "CREATE", "object": obj}
    body = json.dumps(review).encode()
    return answer_review(body, "application/json", settings_of("A"), "v1.36.2", service_account)


def test_all_recorded_cases_are_here() -> None:
    assert len(CASES) == 109


@pytest.mark.parametrize("case", [case for case in CASES if case.denied is None], ids=lambda case: case.id)
def test_admitted_pod_is_as_recorded(case: Case) -> None:
    pod = mutated(case)
    assert containers(pod, case.pod, "initContainers") == case.init
    assert containers(pod, case.pod, "containers") == case.app
    assert pod["spec"]["volumes"] == case.volumes
    assert lost(case.pod, pod) == case.lost


@pytest.mark.parametrize("case", [case for case in CASES if case.denied is not None], ids=lambda case: case.id)
def test_denied_pod_is_denied_with_the_recorded_message(case: Case) -> None:
    with pytest.raises(Denied) as denied:
        mutated(case)
    assert str(denied.value) == case.denied


def test_the_given_pod_is_left_alone() -> None:
    case = next(case for case in CASES if case.id == "proxy-init-order")
    before = copy.deepcopy(case.pod)
    mutated(case)
    assert case.pod == before


def test_the_patch_makes_the_mutated_pod() -> None:
    case = next(case for case in CASES if case.id == "proxy-init-order")
    response = answer(case.pod)["response"]
    assert response["patchType"] == "JSONPatch"
    patched = jsonpatch.apply_patch(case.pod, json.loads(base64.b64decode(response["patch"])))
    expected = mutated(case)
    expected["metadata"]["namespace"] = "wi"
    assert patched == expected


@pytest.mark.parametrize("id", ["label-true", "proxy-true", "gen-name"])
def test_a_mutated_pod_sent_again_gets_no_patch(id: str) -> None:
    case = next(case for case in CASES if case.id == id)
    pod = mutated(case)
    pod["metadata"]["namespace"] = "wi"
    assert answer(pod)["response"] == {"uid": UID, "allowed": True, "status": {"metadata": {}, "code": 200}}


def test_of_a_mutated_pod_only_the_expiration_follows_its_annotation() -> None:
    pod = mutated(CASES[0])
    pod["metadata"] |= {"namespace": "wi"}
    pod["metadata"]["annotations"] = {"azure.workload.identity/service-account-token-expiration": "7200"}
    pod["spec"]["serviceAccountName"] = "tenant"
    path = "/spec/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds"
    patch = json.loads(base64.b64decode(answer(pod)["response"]["patch"]))
    assert patch == [{"op": "replace", "path": path, "value": 7200}]


def test_pods_of_one_replica_set_share_the_volume_name() -> None:
    pod = copy.deepcopy(CASES[0].pod)
    pod["metadata"] = {"generateName": "web-79cbbb6f6b-"}
    volumes = mutate(pod, service_account("wi", "full"), settings_of("A"), "v1.36.2")["spec"]["volumes"]
    assert volumes[0]["name"] == "azure-workload-identity-reserved-f3c2fbaed13dcf4dba933e9a07edda"


@pytest.mark.parametrize("name", ["ibcm", "ibctb"])
def test_the_custom_endpoints_authority_is_a_second_source_of_the_volume(name: str) -> None:
    pod = copy.deepcopy(CASES[0].pod)
    pod["metadata"]["annotations"] = {"azure.workload.identity/use-identity-binding": "true"}
    volume = mutate(pod, service_account("wi", "full"), settings_of(name), "v1.36.2")["spec"]["volumes"][0]
    authority = {
        "ibcm": {
            "configMap": {
                "name": "ca-cm",
                "items": [{"key": "ca.crt", "path": "ca-cert/ca.crt"}],
                "optional": False,
            }
        },
        "ibctb": {
            "clusterTrustBundle": {
                "signerName": "ex.io/signer",
                "labelSelector": {"matchLabels": {"a": "b"}},
                "path": "ca-cert/ca.crt",
                "optional": False,
            }
        },
    }
    assert volume["projected"]["sources"][1] == authority[name]


@pytest.mark.parametrize("name", FACTS["startup_failures"])
def test_a_misconfigured_process_ends_as_recorded(name: str) -> None:
    recorded = FACTS["startup_failures"][name]
    with pytest.raises(StartupFailure) as failure:
        read_settings(recorded["environment"], recorded["arguments"])
    assert (failure.value.exit_code, str(failure.value)) == (recorded["exit_code"], recorded["message"])


@pytest.mark.parametrize("name", ["envempty", "envunset"])
def test_without_a_cloud_name_it_is_the_public_cloud(name: str) -> None:
    assert settings_of(name).authority_host == "https://login.microsoftonline.com/"


UNREADABLE = {
    "bad-content-type": (b"{}", "text/plain"),
    "no-content-type": (b"{}", ""),
    "not-json": (b'{"apiVersion":', "application/json"),
    "empty-body": (b"", "application/json"),
}
MALFORMED = {
    "empty-object": {},
    "pod-undecodable": {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": "none"}},
    "wrong-kind": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}},
}


def test_every_recorded_protocol_error_is_tested() -> None:
    assert set(FACTS["protocol"]) == set(UNREADABLE) | set(MALFORMED)


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_review_is_denied_without_a_uid(name: str) -> None:
    body, content_type = UNREADABLE[name]
    response = answer_review(body, content_type, settings_of("A"), "v1.36.2", service_account)["response"]
    assert denial(response) == FACTS["protocol"][name]


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_pod_is_denied_with_the_uid(name: str) -> None:
    assert denial(answer(MALFORMED[name])["response"]) == FACTS["protocol"][name]


def denial(response: dict[str, Any]) -> dict[str, Any]:
    assert (response["allowed"], response["status"]["code"]) == (False, 400)
    return {"message": response["status"]["message"], "uid": response["uid"]}


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v2"])
def test_the_answer_has_the_version_of_the_question(version: str) -> None:
    review = answer(CASES[0].pod, apiVersion=f"admission.k8s.io/{version}")
    assert (review["apiVersion"], review["response"]["allowed"]) == (f"admission.k8s.io/{version}", True)
