"""What an error of Entra's token endpoint means, by its number: its words change, and may be in any language."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .evidence import Token

_CODE = re.compile(r"AADSTS\s*(\d{4,8})", re.IGNORECASE)
_QUOTED = {
    "issuer": re.compile(r"issuer:?\s*['\"]([^'\"]+)['\"]", re.IGNORECASE),
    "subject": re.compile(r"subject:?\s*['\"]([^'\"]+)['\"]", re.IGNORECASE),
    "audience": re.compile(r"audience:?\s*['\"]([^'\"]+)['\"]", re.IGNORECASE),
}
_SUBJECT = re.compile(r"system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Meaning:
    """One code."""

    what: str
    """As a sentence without its full stop."""
    look_at: str
    """What to look at first, or do."""
    faults: tuple[str, ...] = ()
    """What may be behind it, by the names of :attr:`~fleet.diagnosis.report.Cause.name`."""


MEANINGS: dict[str, Meaning] = {
    "AADSTS70021": Meaning(
        "no federated credential of the identity matches the token",
        "compare issuer, subject and audience to the byte; a new credential takes up to ten minutes",
        ("issuer-*", "subject-*", "audience-*", "credential-young"),
    ),
    "AADSTS70025": Meaning(
        "the identity has no federated credential at all, or none that this server knows yet",
        "az ad app federated-credential list --id CLIENT_ID; is the client id that of the identity that is meant?",
        ("credential-missing", "client-id-other", "credential-young", "credential-flapping"),
    ),
    "AADSTS700211": Meaning(
        "no federated credential of the identity has the token's issuer, to the last slash",
        "az aks show --query oidcIssuerProfile.issuerUrl, beside the credential's issuer; was the cluster rebuilt?",
        ("issuer-slash", "issuer-case", "issuer-space", "issuer-look-alike", "issuer-other", "cluster-rebuilt"),
    ),
    "AADSTS700212": Meaning(
        "no federated credential of the identity has the token's audience",
        "the credential's audience must be api://AzureADTokenExchange, to the letter",
        ("audience-other", "audience-case"),
    ),
    "AADSTS700213": Meaning(
        "no federated credential of the identity has the token's subject",
        "it must be system:serviceaccount:NAMESPACE:SERVICE_ACCOUNT of the pod; beware of the default ServiceAccount",
        ("subject-namespace", "subject-account", "subject-prefix", "subject-space", "account-other"),
    ),
    "AADSTS7002138": Meaning(
        "a federated credential has the token's subject but for upper and lower case",
        "Entra has compared case since 2024: write the credential's subject in lower case as Kubernetes has it",
        ("subject-case",),
    ),
    "AADSTS700016": Meaning(
        "there is no application with this client id in the tenant that was asked",
        "az ad sp show --id CLIENT_ID; is the annotation an object id, of another tenant, or the application deleted?",
        ("client-id-unknown", "client-id-object", "client-id-space", "identity-deleted", "identity-not-replicated"),
    ),
    "AADSTS700011": Meaning(
        "there is no application with this client id in the tenant that was asked",
        "az ad sp show --id CLIENT_ID; is the annotation an object id, of another tenant, or the application deleted?",
        ("client-id-unknown", "identity-deleted"),
    ),
    "AADSTS7000229": Meaning(
        "the application has no service principal in this tenant",
        "az ad sp create --id CLIENT_ID",
        ("principal-missing", "identity-not-replicated"),
    ),
    "AADSTS7000112": Meaning(
        "the identity's service principal is disabled",
        "az ad sp update --id CLIENT_ID --set accountEnabled=true",
        ("principal-disabled",),
    ),
    "AADSTS90002": Meaning(
        "there is no such tenant",
        "look at AZURE_TENANT_ID in the pod: the ServiceAccount's annotation, else the webhook's ConfigMap",
        ("tenant-id-other", "webhook-tenant"),
    ),
    "AADSTS900023": Meaning(
        "what was given for the tenant is neither a GUID nor a domain",
        "look at AZURE_TENANT_ID in the pod: the ServiceAccount's annotation, else the webhook's ConfigMap",
        ("tenant-id-empty", "tenant-id-other"),
    ),
    "AADSTS700024": Meaning(
        "the token is not yet valid or has expired, by Entra's clock",
        "does the application read the token's file anew at each sign-in? Is the cluster's clock right?",
        ("clock-ahead", "clock-behind"),
    ),
    "AADSTS50013": Meaning(
        "the token's signature was not made by a key that the issuer publishes",
        "compare kubectl get --raw /openid/v1/jwks with what jwks_uri of the issuer serves",
        ("keys-rotated", "cluster-rebuilt"),
    ),
    "AADSTS50166": Meaning(
        "Entra could not read the cluster's OIDC documents",
        "curl ISSUER/.well-known/openid-configuration and the jwks_uri in it, from outside the network",
        ("keys-unreachable", "issuer-unreachable"),
    ),
    "AADSTS90061": Meaning(
        "Entra could not read the cluster's OIDC documents",
        "curl ISSUER/.well-known/openid-configuration and the jwks_uri in it, from outside the network",
        ("issuer-unreachable", "keys-unreachable"),
    ),
    "AADSTS7000216": Meaning(
        "the application sent neither a secret nor an assertion",
        "was the pod mutated? AZURE_FEDERATED_TOKEN_FILE must be set and the file readable by the container's user",
        ("label-missing", "pods-older-than-webhook", "containers-skipped"),
    ),
    "AADSTS7000215": Meaning(
        "a client secret was sent, and it is wrong: this is not workload identity at all",
        "take AZURE_CLIENT_SECRET out of the pod: the SDKs prefer it",
    ),
    "AADSTS53003": Meaning(
        "conditional access forbids it",
        "ask the tenant's administrator for the workload identity's conditional access policies",
    ),
    "AADSTS90033": Meaning("Entra is busy", "try again"),
    "AADSTS90055": Meaning("Entra asks to slow down", "try again later, and less often"),
}
_UNKNOWN = Meaning("a code that is not known here", "look it up at https://login.microsoftonline.com/error?code={}")


@dataclass(frozen=True)
class Told:
    """What an error's text gives away."""

    code: str = ""
    """'' where it has none."""
    issuer: str = ""
    subject: str = ""
    audience: str = ""
    namespace: str = ""
    service_account: str = ""
    client_id: str = ""
    token: Token | None = None
    """What was read, where that was a token."""


def read(text: str) -> Told:
    """What can be read out of an error's text, also where it is cut off or in another language."""
    code = _CODE.search(text)
    quoted = {name: match.group(1) if (match := pattern.search(text)) else "" for name, pattern in _QUOTED.items()}
    subject = _SUBJECT.search(text)
    guid = _GUID.search(text) if code and code.group(1) in ("700016", "7000229", "7000112") else None
    return Told(
        code=f"AADSTS{code.group(1)}" if code else "",
        issuer=quoted["issuer"],
        subject=subject.group() if subject else quoted["subject"],
        audience=quoted["audience"],
        namespace=subject.group(1) if subject else "",
        service_account=subject.group(2) if subject else "",
        client_id=guid.group() if guid else "",
    )


def explain(code: str) -> Meaning:
    """The meaning of a code; of one never seen, where to look it up."""
    known = MEANINGS.get(code)
    if known is not None:
        return known
    return Meaning(_UNKNOWN.what, _UNKNOWN.look_at.format(code.removeprefix("AADSTS")))
