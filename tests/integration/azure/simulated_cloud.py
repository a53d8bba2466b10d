"""A simulated cloud without sockets: requests go straight to the services, the clock moves only when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from simulator.authority import Authority
from simulator.azure import arm, entra, graph, key_vault, start
from simulator.azure.state import AzureState
from simulator.clock import Clock
from simulator.journal import Journal
from simulator.routing import Service
from simulator.simulation import Simulation
from simulator.weather import Dials, Weather

TENANT = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
OPERATOR = "33333333-3333-4333-8333-333333333333"
OPERATOR_OBJECT = "44444444-4444-4444-8444-444444444444"
OPERATOR_SECRET = "the operator's secret"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
ISSUER = "https://issuer.example/cluster/"
AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:shop:checkout"

VERSIONS = {
    "microsoft.authorization": "2022-04-01",
    "microsoft.features": "2021-07-01",
    "microsoft.containerservice": "2026-03-01",
    "microsoft.keyvault": "2023-02-01",
    "microsoft.managedidentity": "2024-11-30",
}
"""The api-version of a request that names none, by the provider in its path."""

BEGINNING = f"""
tenant: {{id: {TENANT}, display_name: Contoso, domain: contoso.onmicrosoft.com}}
subscriptions:
  - id: {SUBSCRIPTION}
    name: Production
    resource_groups: [{{name: rg, location: westeurope}}]
    features:
      - {{name: Microsoft.ContainerService/EnableOIDCIssuerPreview}}
      - {{name: Microsoft.ContainerService/GoneGA, gone: true}}
      - {{name: Microsoft.ContainerService/Stuck, stuck: true}}
      - {{name: Microsoft.ContainerService/OnRequest, needs_approval: true}}
    providers: {{Microsoft.Batch: NotRegistered}}
operators:
  - name: owner
    client_id: {OPERATOR}
    client_secret: {OPERATOR_SECRET}
    object_id: {OPERATOR_OBJECT}
    roles: [{{role: Owner, scope: Production}}, {{role: Key Vault Administrator, scope: Production}}]
    graph: [Application.ReadWrite.All]
    cluster_admin: true
  - name: app-owner
    client_id: 55555555-5555-4555-8555-555555555555
    client_secret: another secret
    object_id: 66666666-6666-4666-8666-666666666666
    roles: [{{role: Reader, scope: Production}}]
    graph: [Application.ReadWrite.OwnedBy]
"""


@dataclass
class Cloud:
    """The simulation, and requests to it. ``published`` is what issuers outside serve, by URL."""

    simulation: Simulation
    http: httpx.AsyncClient
    published: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: _ISSUER_KEY)

    async def token(self, resource: str, *, client: str = OPERATOR, **proof: str) -> httpx.Response:
        """The token endpoint's answer."""
        form = {"grant_type": "client_credentials", "client_id": client, "scope": f"{resource}/.default"} | proof
        return await self.http.post(f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token", data=form)

    async def bearer(self, resource: str, client: str = OPERATOR, secret: str = OPERATOR_SECRET) -> dict[str, str]:
        """The header that signs a request in."""
        answer = await self.token(resource, client=client, client_secret=secret)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def arm(
        self, method: str, path: str, body: Any = None, *, version: str = "", **headers: str
    ) -> httpx.Response:
        """A request to ARM as the operator, unless ``Authorization`` is among the headers."""
        if "Authorization" not in headers:
            headers |= await self.bearer("https://management.azure.com")
        joint = "&" if "?" in path else "?"
        bare = path.partition("?")[0].lower().replace("/register", "").replace("/unregister", "")
        provider = next((name for name in VERSIONS if f"/{name}/" in bare), "")
        url = f"https://management.azure.com{path}{joint}api-version={version or VERSIONS.get(provider, '2022-09-01')}"
        return await self.http.request(method, url, json=body, headers=headers)

    async def graph(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request to Graph v1.0 as the operator, unless ``Authorization`` is among the headers."""
        if "Authorization" not in headers:
            headers |= await self.bearer("https://graph.microsoft.com")
        return await self.http.request(method, f"https://graph.microsoft.com/v1.0{path}", json=body, headers=headers)

    async def vault(self, method: str, name: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """A request to a vault's data plane as the operator, unless ``Authorization`` is among the headers."""
        if "Authorization" not in headers:
            headers |= await self.bearer("https://vault.azure.net")
        url = f"https://{name}.vault.azure.net{path}{'&' if '?' in path else '?'}api-version=7.4"
        return await self.http.request(method, url, json=body, headers=headers)

    def unheard_of(self) -> list[str]:
        """What was asked so far that the simulator does not know; it is expected, and forgotten here."""
        asked, self.simulation.unknown = self.simulation.unknown, []
        return asked

    async def make_application(self, name: str = "app") -> tuple[dict[str, Any], dict[str, Any]]:
        """An application and its service principal, both replicated."""
        app = (await self.graph("POST", "/applications", {"displayName": name})).json()
        self.simulation.clock.step(60)
        principal = (await self.graph("POST", "/servicePrincipals", {"appId": app["appId"]})).json()
        self.simulation.clock.step(60)
        return app, principal

    async def federate(self, app: dict[str, Any], **changes: Any) -> httpx.Response:
        """A federated credential on an application, by default for what :meth:`assertion` says."""
        body = {"name": "checkout", "issuer": ISSUER, "subject": SUBJECT, "audiences": [AUDIENCE]} | changes
        return await self.graph("POST", f"/applications/{app['id']}/federatedIdentityCredentials", body)

    async def make_vault(self, name: str = "vault-one", **properties: Any) -> httpx.Response:
        """A vault with access policies, in the answer to its creation."""
        sku = {"family": "A", "name": "standard"}
        body = {"location": "westeurope", "properties": {"tenantId": TENANT, "sku": sku} | properties}
        return await self.arm("PUT", f"{GROUP}/providers/Microsoft.KeyVault/vaults/{name}", body)

    def publish_issuer(self, issuer: str = ISSUER) -> None:
        """Serve the discovery document and the keys of an issuer."""
        base = issuer.rstrip("/")
        self.published[f"{base}/.well-known/openid-configuration"] = {"issuer": issuer, "jwks_uri": f"{base}/jwks"}
        self.published[f"{base}/jwks"] = {"keys": [self.key.as_dict(private=False)]}

    def assertion(self, **changes: Any) -> str:
        """A ServiceAccount token, signed by :attr:`key`."""
        now = int(self.simulation.clock.seconds())
        claims = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "iat": now, "nbf": now, "exp": now + 3600}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims | changes, self.key)

    async def exchange(self, client: str, assertion: str, resource: str = "https://vault.azure.net") -> httpx.Response:
        """The token endpoint's answer to a federated client assertion."""
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        return await self.token(resource, client=client, client_assertion=assertion, client_assertion_type=kind)


def _rsa() -> RSAKey:
    key = RSAKey.generate_key(2048)
    return RSAKey.import_key(key.as_dict(private=True), {"kid": key.thumbprint()})


_ISSUER_KEY = _rsa()
_ENTRA_KEY = _rsa().as_pem(private=True).decode()


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


async def running(directory: Path, dials: Dials, beginning: str = BEGINNING) -> AsyncIterator[Cloud]:
    """A cloud that begins as the YAML says; at the end nothing may have been asked that it does not know."""
    clock = Clock(start=datetime(2026, 3, 1, 12, tzinfo=UTC))
    weather = Weather(clock, dials)
    published: dict[str, Any] = {}

    async def fetch(url: str) -> httpx.Response:
        if url not in published:
            raise httpx.ConnectError(url)
        return httpx.Response(200, json=published[url], request=httpx.Request("GET", url))

    simulation = Simulation(
        directory, Authority.open(directory), clock, weather, Journal(), AzureState(signing_key=_ENTRA_KEY), fetch
    )
    services = {
        "login.microsoftonline.com": Service(simulation, entra.ROUTES),
        "graph.microsoft.com": Service(simulation, graph.ROUTES),
        "management.azure.com": Service(simulation, *arm.TABLES),
    }
    vaults = Service(simulation, key_vault.ROUTES)

    async def internet(scope: Any, receive: Any, send: Any) -> None:
        host = dict(scope["headers"])[b"host"].decode().partition(":")[0]
        if host.endswith(".vault.azure.net") and not key_vault.resolves(simulation, host):
            raise httpx.ConnectError(host)
        await services.get(host, vaults)(scope, receive, send)

    await start.begin(simulation, start.load(beginning))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(internet)) as http:
        yield Cloud(simulation, http, published)
    for cluster in simulation.clusters.values():
        await cluster.stop()
    assert simulation.unknown == []
