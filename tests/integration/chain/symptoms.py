"""What a broken chain looks like from where it is used: what a pod is given, what Entra says, what the vault says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from simulator.snapshots import put_back, taken
from tests.conftest import Cloud

NAMESPACE, ACCOUNT, DEPLOYMENT = "sysadminas-demo", "sysadminas-demo-sa", "azure-wi-demo"
VAULT, SECRET = "sysadminas-demo-kv", "sysadminas-demo-kv-secret"
_NEEDED = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE")


async def symptom(cloud: Cloud) -> str:
    """The first thing that is wrong for the demo's workload, in the words of whoever says so; '' for nothing."""
    async with httpx.AsyncClient(timeout=30) as http:  # a connection of before knows nothing of names that are gone
        return await _symptom(replace(cloud, http=http))


async def _symptom(cloud: Cloud) -> str:
    (cluster,) = cloud.simulator.simulation.clusters.values()
    api = f"https://{cluster.state.fqdn}"
    headers = {"Authorization": f"Bearer {cluster.state.static_token}"}
    try:
        pod = await _new_pod(cloud.http, api, headers)
        if "metadata" not in pod or pod.get("kind") == "Status":
            return f"pod denied: {pod['message']}"
        variables = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0].get("env", ())}
        if missing := [name for name in _NEEDED if name not in variables]:
            return f"pod lacks {' '.join(missing)}"
        url = f"{api}/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token"
        spec = {"spec": {"audiences": ["api://AzureADTokenExchange"]}}
        answer = await cloud.http.post(url, json=spec, headers=headers)
        return await _with_token(cloud, variables, answer.json()["status"]["token"]) or await _of_running_pods(
            cloud, api, headers, variables
        )
    except httpx.ProxyError:
        return "no connection"


async def _new_pod(http: httpx.AsyncClient, api: str, headers: dict[str, str]) -> dict[str, Any]:
    """What would become of a pod of the Deployment as it stands now; or the Status that refuses it."""
    url = f"{api}/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}"
    template = (await http.get(url, headers=headers)).json()["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "generateName": "probe-"},
        "spec": template["spec"],
    }
    pods = f"{api}/api/v1/namespaces/{NAMESPACE}/pods"
    answer: dict[str, Any] = (await http.post(f"{pods}?dryRun=All", json=pod, headers=headers)).json()
    return answer


async def _with_token(cloud: Cloud, variables: dict[str, str], token: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": variables["AZURE_CLIENT_ID"],
        "scope": "https://vault.azure.net/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": token,
    }
    url = f"https://login.microsoftonline.com/{variables['AZURE_TENANT_ID']}/oauth2/v2.0/token"
    for _ in range(12):  # a credential that flaps is refused now and then
        exchanged = await cloud.http.post(url, data=form)
        if not exchanged.is_success:
            return str(exchanged.json()["error_description"])
    headers = {"Authorization": f"Bearer {exchanged.json()['access_token']}"}
    try:
        secret = f"https://{VAULT}.vault.azure.net/secrets/{SECRET}?api-version=7.4"
        answer = await cloud.http.get(secret, headers=headers)
    except httpx.ProxyError:
        return "vault: no connection"
    if answer.is_success:
        attributes = answer.json()["attributes"]
        now = cloud.simulator.simulation.clock.seconds()
        out_of_time = not attributes.get("nbf", 0) <= now < attributes.get("exp", now + 1)
        return f"vault: read, but out of its time: {sorted(attributes)}" if out_of_time else ""
    error = answer.json()["error"]
    return f"vault: {error.get('innererror', error)['code']}: {error['message']}"


async def _of_running_pods(cloud: Cloud, api: str, headers: dict[str, str], wanted: dict[str, str]) -> str:
    """What running pods have that a new one would not, or lack."""
    answer = await cloud.http.get(f"{api}/api/v1/namespaces/{NAMESPACE}/pods", headers=headers)
    for pod in answer.json()["items"]:
        has = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0].get("env", ())}
        stale = [name for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID") if has.get(name) != wanted[name]]
        if stale:
            return f"running pods are stale: {' '.join(stale)}"
    configurations = f"{api}/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
    namespaces = f"{api}/api/v1/namespaces/kube-system/services/azure-wi-webhook-webhook-service"
    chart = f"{api}/api/v1/namespaces/azure-workload-identity-system/services/azure-wi-webhook-webhook-service"
    found = [await cloud.http.get(url, headers=headers) for url in (configurations, namespaces, chart)]
    return "two webhooks" if all(one.is_success for one in found) else ""


@asynccontextmanager
async def put_back_afterwards(cloud: Cloud) -> AsyncIterator[Cloud]:
    """The cloud, once its chain has no symptom; then it becomes again what it was."""
    simulation = cloud.simulator.simulation
    before, dials = taken(simulation), simulation.weather.dials
    deadline = time.monotonic() + 20
    # ASYNC110: what was put back is starting, and tells nobody when it has.
    while (found := await symptom(cloud)) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert found == ""
    yield cloud
    simulation.weather.dials = dials
    await put_back(simulation, before)
