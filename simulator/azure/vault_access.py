"""Who a vault lets in: the challenge, then access policies or roles, with the texts that say why not."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import roles, tokens, vault_policies
from .state import Vault

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

_SOURCE = "wire/keyvault-secrets.yaml"
_ACTIONS = {
    "get": "getSecret/action",
    "list": "readMetadata/action",
    "set": "setSecret/action",
    "delete": "delete",
    "recover": "recover/action",
    "purge": "purge/action",
    "backup": "backup/action",
    "restore": "restore/action",
}
"""The data action that stands for a permission of an access policy, below ``Microsoft.KeyVault/vaults/secrets/``."""


@dataclass(frozen=True)
class Caller:
    """Who asks, as the token says."""

    object_id: str
    client_id: str
    issuer: str


@rule("key vault", "the challenge comes before everything else", Provenance.RECORDED, f"{_SOURCE} challenge")
@doubt(
    "key vault",
    "the challenge names login.windows.net and no MTLS_POP in 2022, login.microsoftonline.com and MTLS_POP in 2026",
    "as in 2026",
    f"{_SOURCE} challenge",
)
@doubt(
    "key vault",
    "the words of AKV10022 and AKV10032, which are remembered, not read",
    "words of our own after the number",
    "limits-and-errors E3 secret GET 401",
)
async def caller(simulation: Simulation, request: Request, vault: Vault) -> Caller:
    """Who asks; without a token for Key Vault, the 401 that says where to get one."""
    tenant = vault.body["properties"]["tenantId"]
    challenge = f'Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="{tokens.KEY_VAULT}"'
    headers = {"WWW-Authenticate": challenge}
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        message = "AKV10000: Request is missing a Bearer, PoP, or MTLS_POP token."
        raise Refusal(401, "Unauthorized", message, headers=headers)
    claims = await tokens.verify(simulation, token, tokens.KEY_VAULT)
    if claims is None:
        message = f"AKV10022: Invalid audience. Expected {tokens.KEY_VAULT}, or the token is not valid any more."
        raise Refusal(401, "Unauthorized", message, headers=headers)
    if claims["tid"] != tenant:
        message = f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/, found {claims['iss']}."
        raise Refusal(401, "Unauthorized", message, headers=headers)
    return Caller(claims["oid"], claims["appid"], claims["iss"])


@rule("key vault", "a vault without public access refuses who comes by it", Provenance.REPORTED, "multimodal-ai#171")
@rule("key vault", "the vault's firewall refuses addresses without a rule", Provenance.REPORTED, "AzureTRE#3789")
@doubt(
    "key vault",
    "whether the network is looked at before the token or after it, and which trusted services pass",
    "after the token and before policies and roles; nobody is a trusted service or comes by a private link or network",
    "multimodal-ai#171, AzureTRE#3789: their texts name the caller",
)
def admit(request: Request, vault: Vault, who: Caller) -> None:
    """Return where the vault's network settings let the request in; else its 403."""
    properties = vault.body["properties"]
    caller = f"Caller: appid={who.client_id};oid={who.object_id};iss={who.issuer}"
    where = f"Vault: {vault.body['name']};location={vault.body['location']}"
    if str(properties.get("publicNetworkAccess", "")).lower() == "disabled":
        text = "Public network access is disabled and request is not from a trusted service nor via an approved "
        raise _forbidden("ForbiddenByConnection", f"{text}private link.", caller, where)
    rules = properties.get("networkAcls") or {}
    if str(rules.get("defaultAction", "Allow")).lower() != "deny":
        return
    address = request.client.host if request.client else "127.0.0.1"
    if any(ip_address(address) in network(each["value"]) for each in rules.get("ipRules") or ()):
        return
    text = "Client address is not authorized and caller is not a trusted service."
    raise _forbidden("ForbiddenByFirewall", text, f"Client address: {address}", caller, where)


def network(value: str) -> IPv4Network | IPv6Network:
    """What a rule of the firewall covers: one address or a range. Raises ValueError for neither."""
    return ip_network(value, strict=False)


def _forbidden(inner: str, *lines: str) -> Refusal:
    return Refusal(403, "Forbidden", "\r\n".join(lines), extra={"innererror": {"code": inner}})


def authorize(simulation: Simulation, vault: Vault, who: Caller, permission: str, secret: str) -> None:
    """Return where the vault's model, roles or policies, gives the permission; else its 403."""
    if vault.body["properties"].get("enableRbacAuthorization"):
        _by_role(simulation, vault, who, permission, secret)
    else:
        _by_policy(simulation, vault, who, permission)


@rule("key vault", "with RBAC the caller's data actions decide", Provenance.REPORTED, f"{_SOURCE} forbidden_rbac")
def _by_role(simulation: Simulation, vault: Vault, who: Caller, permission: str, secret: str) -> None:
    action = f"Microsoft.KeyVault/vaults/secrets/{_ACTIONS[permission]}"
    resource = vault.body["id"].lower() + (f"/secrets/{secret.lower()}" if secret else "")
    if roles.allowed_on_data(simulation, who.object_id, action, resource):
        return
    message = "\r\n".join(
        (
            "Caller is not authorized to perform action on resource.",
            "If role assignments, deny assignments or role definitions were changed recently, please observe "
            "propagation time.",
            f"Caller: appid={who.client_id};oid={who.object_id};iss={who.issuer}",
            f"Action: '{action}'",
            f"Resource: '{resource}'",
            "Assignment: (not found)",
            "DenyAssignmentId: null",
            "DecisionReason: 'DeniedWithNoValidRBAC' ",
            f"Vault: {vault.body['name']};location={vault.body['location']}",
            "",
        )
    )
    raise Refusal(403, "Forbidden", message, extra={"innererror": {"code": "ForbiddenByRbac"}})


@rule(
    "key vault", "without RBAC the vault's access policies decide", Provenance.REPORTED, f"{_SOURCE} forbidden_policy"
)
@doubt(
    "key vault",
    "whether who lacks an access policy meets AccessDenied (a thread) or ForbiddenByPolicy (remembered)",
    "AccessDenied",
    f"{_SOURCE} forbidden_policy, limits-and-errors E3 secret GET",
)
def _by_policy(simulation: Simulation, vault: Vault, who: Caller, permission: str) -> None:
    granted = vault_policies.effective(simulation, vault, who.object_id)
    # 'all' covers everything but purging, which must be said.
    if permission in granted or ("all" in granted and permission != "purge"):
        return
    message = (
        f"The user, group or application 'appid={who.client_id};oid={who.object_id};numgroups=0;iss={who.issuer}' does "
        f"not have secrets {permission} permission on key vault '{vault.body['name']};location="
        f"{vault.body['location']}'. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125287"
    )
    raise Refusal(403, "Forbidden", message, extra={"innererror": {"code": "AccessDenied"}})
