"""One cluster's API: how to get in, and the few verbs that the chain needs, on plain objects.

Server-side apply is the only way we write: it owns just the fields that we send, so what others set stays.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException, load_kube_config, load_kube_config_from_dict

from fleet import naming

from .errors import UNREACHABLE, CloudError, Denied, Invalid, Missing, translated
from .pace import Pace
from .traffic import Traffic
from .waiting import Patience

AKS_SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The Entra application of every AKS API server: the audience of the tokens that an Entra-integrated cluster takes."""

_PAGE = 500
_GONE = 410
_PLURALS = {
    "Namespace": "/api/v1/namespaces",
    "ServiceAccount": "/api/v1/serviceaccounts",
    "Pod": "/api/v1/pods",
    "Service": "/api/v1/services",
    "Deployment": "/apis/apps/v1/deployments",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "PodDisruptionBudget": "/apis/policy/v1/poddisruptionbudgets",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ConfigMap": "/api/v1/configmaps",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "ReplicationController": "/api/v1/replicationcontrollers",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "AzureIdentity": "/apis/aadpodidentity.k8s.io/v1/azureidentities",
    "AzureIdentityBinding": "/apis/aadpodidentity.k8s.io/v1/azureidentitybindings",
    "AzureAssignedIdentity": "/apis/aadpodidentity.k8s.io/v1/azureassignedidentities",
    "AzurePodIdentityException": "/apis/aadpodidentity.k8s.io/v1/azurepodidentityexceptions",
}

Json = dict[str, Any]
Items = list[Json]


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of a collection or object; without ``namespace`` of a namespaced kind, over all namespaces."""
    prefix, plural = _PLURALS[kind].rsplit("/", 1)
    within = f"/namespaces/{quote(namespace)}" if namespace else ""
    return f"{prefix}{within}/{plural}" + (f"/{quote(name)}" if name else "")


def api_version_of(kind: str) -> str:
    """``apps/v1``, or ``v1`` in the core group."""
    return _PLURALS[kind].rsplit("/", 1)[0].removeprefix("/apis/").removeprefix("/api/")


def address_of(item: Json) -> tuple[str, str]:
    """Namespace and name of an object."""
    return item["metadata"]["namespace"], item["metadata"]["name"]


@dataclass
class Kubernetes:
    """A cluster that we are signed in to. Errors are :class:`~clients.errors.CloudError` naming cluster and object."""

    name: str
    _api: ApiClient
    _token: Callable[[], Awaitable[str]] | None
    _patience: Patience
    _pace: Pace
    _kubeconfig: Callable[[str | None], Json]
    renew: Callable[[], Awaitable[Kubernetes]] | None = None
    """Signs in anew, once, where this way in was remembered and leads nowhere."""
    _former: list[ApiClient] = field(default_factory=list, init=False)

    @property
    def host(self) -> str:
        """The name under which the API server is asked."""
        return urlsplit(self._api.configuration.host).hostname or ""

    async def get(self, path: str) -> Json:
        """One object. ``Missing`` where there is none."""
        return await self._call("GET", path)

    async def list(self, path: str, **query: str) -> Items:
        """All objects of a collection, page by page; all at once where it changes faster than it can be paged.

        A page that is asked for too late is answered 410 Expired; client-go goes on as here (its pager, fall back).
        """
        try:
            return await self._paged(path, query)
        except CloudError as error:
            if error.status != _GONE:
                raise
        return (await self._call("GET", path, query)).get("items") or []

    async def _paged(self, path: str, query: dict[str, str]) -> Items:
        items: Items = []
        page: dict[str, str] = {"limit": str(_PAGE)}
        while True:
            answer = await self._call("GET", path, {**query, **page})
            items += answer.get("items") or []
            token = answer.get("metadata", {}).get("continue")
            if not token:
                return items
            page["continue"] = token

    async def apply(self, obj: Json, manager: str = naming.FIELD_MANAGER) -> Json:
        """Server-side apply as a field manager of ours; fields of others that we name become its own."""
        metadata = obj["metadata"]
        path = path_of(obj["kind"], metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", path, query, obj, "application/apply-patch+yaml")

    async def merge(self, path: str, patch: Json, manager: str = naming.FIELD_MANAGER) -> Json:
        """A JSON merge patch: the one way to take away a field that somebody else set."""
        query = {"fieldManager": manager}
        return await self._call("PATCH", path, query, patch, "application/merge-patch+json")

    async def create(self, path: str, obj: Json, **query: str) -> Json:
        """POST to a collection or subresource; the answer."""
        return await self._call("POST", path, query, obj)

    async def try_pod(self, namespace: str, pod: Json) -> Json:
        """The pod as it would be admitted, by a dry run: nothing is created. A webhook's failure is told at once."""

        async def admitted() -> Json | CloudError:
            try:
                data = await self._once("POST", path_of("Pod", namespace), {"dryRun": "All"}, pod, "application/json")
            except CloudError as error:
                if error.status == 500 and "webhook" in error.message:
                    return error
                raise
            answer: Json = json.loads(data)
            return answer

        answer = await self._patience.request(admitted)
        if isinstance(answer, CloudError):
            raise answer
        return answer

    async def delete(self, path: str) -> None:
        """Delete an object and what depends on it. One that is gone already is no error."""
        try:
            await self._call("DELETE", path, body={"propagationPolicy": "Background"})
        except Missing:
            return

    async def everything_in(self, namespace: str) -> Sequence[Json]:
        """All objects in a namespace, of every kind that the cluster serves; each tells its kind."""
        groups = (await self._call("GET", "/apis"))["groups"]
        versions = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
        served = await asyncio.gather(*(self._call("GET", version) for version in versions))
        collections = [
            (kind["kind"], f"{version}/namespaces/{quote(namespace)}/{kind['name']}")
            for version, answer in zip(versions, served, strict=True)
            for kind in answer["resources"]
            if kind["namespaced"] and "list" in kind["verbs"] and "delete" in kind["verbs"]
        ]
        found = await asyncio.gather(*(self.list(path) for _, path in collections))
        return [{**item, "kind": kind} for (kind, _), items in zip(collections, found, strict=True) for item in items]

    async def text(self, path: str, **query: str) -> str:
        """A plain-text answer, such as a pod's log."""
        return (await self._send("GET", path, query, None, "application/json")).decode("utf-8", "replace")

    async def token(self, namespace: str, service_account: str, audience: str, seconds: int = 3600) -> str:
        """A token of the ServiceAccount for ``audience``, by the TokenRequest API. It is a secret."""
        path = f"{path_of('ServiceAccount', namespace, service_account)}/token"
        answer = await self.create(path, {"spec": {"audiences": [audience], "expirationSeconds": seconds}})
        token: str = answer["status"]["token"]
        return token

    @asynccontextmanager
    async def kubeconfig_file(self) -> AsyncIterator[Path]:
        """A kubeconfig for programs that we start, such as helm, readable by us alone and gone afterwards."""
        config = self._kubeconfig(await self._token() if self._token else None)
        with _private_file(yaml.safe_dump(config)) as path:
            yield path

    async def close(self) -> None:
        """Close the connections."""
        for api in (self._api, *self._former):
            await api.close()

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        answer: Json = json.loads(await self._send(method, path, query or {}, body, content_type) or b"{}")
        return answer

    async def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Json | None, content_type: str
    ) -> bytes:
        return await self._patience.request(lambda: self._once(method, path, query, body, content_type))

    async def _once(
        self, method: str, path: str, query: Mapping[str, str], body: Json | None, content_type: str
    ) -> bytes:
        url = self._api.configuration.host.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {await self._token()}"
        else:
            headers.update(await self._own_authorization())
        try:
            return await self._answer(method, url, path, headers, body)
        except CloudError as error:
            if error.code != UNREACHABLE or self.renew is None:
                raise
            renew, self.renew = self.renew, None
            fresh = await renew()
            self._former.append(self._api)  # others may be using it just now
            self._api, self._token, self._kubeconfig = fresh._api, fresh._token, fresh._kubeconfig
            return await self._once(method, path, query, body, content_type)

    async def _answer(self, method: str, url: str, path: str, headers: Mapping[str, str], body: Json | None) -> bytes:
        with translated(f"cluster {self.name}, {path.split('/v1/', 1)[-1]}"):
            async with self._pace.turn(urlsplit(url).hostname or "") as turn:
                response = await self._api.rest_client.request(method, url, headers=headers, body=body)
                data: bytes = await response.read()
                turn.answered(response.status)
            if not 200 <= response.status <= 299:
                error = ApiException(http_resp=response)
                error.body = data.decode("utf-8", "replace")
                raise error
            return data

    async def _own_authorization(self) -> dict[str, str]:
        settings = await self._api.configuration.auth_settings()
        token = settings.get("BearerToken")
        return {token["key"]: token["value"]} if token and token.get("value") else {}


async def from_context(name: str, context: str, patience: Patience, traffic: Traffic, pace: Pace) -> Kubernetes:
    """The cluster behind a context of the user's kubeconfig (KUBECONFIG, else ~/.kube/config)."""
    configuration = _configuration(traffic)
    try:
        # Named here, because the library read the variable when it was imported.
        await load_kube_config(
            config_file=_kubeconfig_path(), context=context, client_configuration=configuration, persist_config=False
        )
    except ConfigException as error:
        advice = "Check context in the fleet file, and KUBECONFIG"
        raise Invalid(f"cluster {name}", f"kubeconfig: {error}", code="Kubeconfig", advice=advice) from error

    def kubeconfig(token: str | None) -> Json:  # noqa: ARG001 - the context's own credentials serve
        for candidate in _kubeconfig_path().split(os.pathsep):
            config: Json = yaml.safe_load(Path(candidate).read_text(encoding="utf-8")) or {}
            if any(item["name"] == context for item in config.get("contexts") or ()):
                return {**config, "current-context": context}
        raise Invalid(f"cluster {name}", f"no kubeconfig holds the context {context}", code="Kubeconfig")

    return Kubernetes(name, ApiClient(configuration), None, patience, pace, kubeconfig)


async def from_kubeconfig(
    name: str,
    kubeconfig: Json,
    entra_token: Callable[[], Awaitable[str]],
    patience: Patience,
    traffic: Traffic,
    pace: Pace,
) -> Kubernetes:
    """The AKS cluster of a kubeconfig that ARM handed out.

    Where its user is an exec plugin (kubelogin, on Entra-integrated clusters) a token of ``entra_token`` is sent
    instead, fetched anew when it expires; else the kubeconfig's own certificate or token serves.
    """
    context = current(kubeconfig)
    configuration = _configuration(traffic)
    if not context.by_entra:
        await load_kube_config_from_dict(kubeconfig, client_configuration=configuration)
        return Kubernetes(name, ApiClient(configuration), None, patience, pace, lambda _: kubeconfig)
    configuration.host = context.cluster["server"]
    configuration.ca_cert_data = base64.b64decode(context.cluster["certificate-authority-data"]).decode()

    def with_token(token: str | None) -> Json:
        return {**kubeconfig, "users": [{"name": context.user, "user": {"token": token}}]}

    return Kubernetes(name, ApiClient(configuration), entra_token, patience, pace, with_token)


@dataclass(frozen=True)
class Context:
    """A kubeconfig's current context."""

    cluster: Json
    user: str
    by_entra: bool
    """Whether its user signs in to Entra by a plugin (kubelogin), instead of by a certificate or token of its own."""


def current(kubeconfig: Json) -> Context:
    """The current context of a kubeconfig that :func:`read_kubeconfig` has read."""
    context = next(item["context"] for item in kubeconfig["contexts"] if item["name"] == kubeconfig["current-context"])
    cluster = next(item["cluster"] for item in kubeconfig["clusters"] if item["name"] == context["cluster"])
    user: Json = next((item["user"] for item in kubeconfig.get("users") or () if item["name"] == context["user"]), {})
    return Context(cluster, context["user"], by_entra="exec" in user or "auth-provider" in user)


def read_kubeconfig(name: str, text: str) -> Json:
    """A kubeconfig's YAML. ``Denied`` where the service handed out something else."""
    config = yaml.safe_load(text)
    if not isinstance(config, dict) or "current-context" not in config:
        raise Denied(f"cluster {name}", "the service handed out no usable kubeconfig", code="Kubeconfig")
    return config


def contexts() -> list[str]:
    """The names of the user's kubeconfig contexts; none where there is no kubeconfig that can be read."""
    names: list[str] = []
    for candidate in _kubeconfig_path().split(os.pathsep):
        try:
            config = yaml.safe_load(Path(candidate).read_text(encoding="utf-8")) if candidate else None
        except (OSError, ValueError, yaml.YAMLError):
            continue
        listed = config.get("contexts") if isinstance(config, dict) else None
        names += [item["name"] for item in listed or () if isinstance(item, dict) and isinstance(item.get("name"), str)]
    return list(dict.fromkeys(names))


def _kubeconfig_path() -> str:
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


@contextmanager
def _private_file(text: str) -> Iterator[Path]:
    """A file in memory where the system can: nothing of it stays on the disk, even if we are killed."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("kubeconfig")
        path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    else:
        descriptor, name = tempfile.mkstemp(prefix="kubeconfig-")
        path = Path(name)
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, text.encode())
        yield path
    finally:
        os.close(descriptor)
        if sys.platform != "linux":
            path.unlink(missing_ok=True)


def _configuration(traffic: Traffic) -> Configuration:
    configuration = Configuration()
    configuration.trace_configs = [traffic.aiohttp_trace()]
    configuration.retries = 0
    return configuration
