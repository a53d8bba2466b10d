"""The body of an application object: as it begins, and what Graph makes of what is sent."""

from __future__ import annotations

import uuid
from base64 import b64decode

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from simulator.copying import copied
from simulator.provenance import Provenance, doubt, rule

from .graph_wire import bad_request
from .state import AzureState, Json

_SOURCE = "wire/entra-apps.yaml application"
PERSONAL = "AzureADandPersonalMicrosoftAccount"
"""The audience of an application that names none."""


@rule("graph", "an application's members and defaults", Provenance.RECORDED, f"{_SOURCE} create.body_keys, defaults")
@doubt(
    "graph",
    "whether every answer has uniqueName, which is younger than the recordings",
    "every one does, after tokenEncryptionKeyId",
    f"{_SOURCE} create.body_keys",
)
def blank(azure: AzureState) -> Json:
    """An application as it is with nothing said about it, in the order of the recorded body."""
    return {
        "id": str(uuid.uuid4()),
        "deletedDateTime": None,
        "appId": str(uuid.uuid4()),
        "applicationTemplateId": None,
        "disabledByMicrosoftStatus": None,
        "createdDateTime": None,
        "displayName": None,
        "description": None,
        "groupMembershipClaims": None,
        "identifierUris": [],
        "isDeviceOnlyAuthSupported": None,
        "isFallbackPublicClient": None,
        "notes": None,
        "publisherDomain": azure.tenant_domain,
        "serviceManagementReference": None,
        "signInAudience": PERSONAL,
        "tags": [],
        "tokenEncryptionKeyId": None,
        "uniqueName": None,
        "samlMetadataUrl": None,
        "defaultRedirectUri": None,
        "certification": None,
        "optionalClaims": None,
        "servicePrincipalLockConfiguration": None,
        "requestSignatureVerification": None,
        "addIns": [],
        "api": {
            "acceptMappedClaims": None,
            "knownClientApplications": [],
            "requestedAccessTokenVersion": 2,
            "oauth2PermissionScopes": [],
            "preAuthorizedApplications": [],
        },
        "appRoles": [],
        "info": {
            "logoUrl": None,
            "marketingUrl": None,
            "privacyStatementUrl": None,
            "supportUrl": None,
            "termsOfServiceUrl": None,
        },
        "keyCredentials": [],
        "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
        "passwordCredentials": [],
        "publicClient": {"redirectUris": []},
        "requiredResourceAccess": [],
        "verifiedPublisher": {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None},
        "web": {
            "homePageUrl": None,
            "logoutUrl": None,
            "redirectUris": [],
            "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
            "redirectUriSettings": [],
        },
        "spa": {"redirectUris": []},
    }


@rule(
    "graph",
    "redirectUris, appRoles and requiredResourceAccess come back in another order",
    Provenance.RECORDED,
    f"{_SOURCE} quirks",
)
@rule("graph", "app roles get their origin, optionalClaims move to the end", Provenance.RECORDED, f"{_SOURCE} defaults")
def stored(body: Json, sent: Json) -> Json:
    """``body`` with what was sent, as Graph will answer it."""
    sent = {
        name: [] if value is None and isinstance(body[name], list) else copied(value) for name, value in sent.items()
    }
    if "optionalClaims" in sent:
        body = {name: value for name, value in body.items() if name != "optionalClaims"}
    for role in sent.get("appRoles") or ():
        role.setdefault("origin", "Application")
    for name in ("appRoles", "requiredResourceAccess"):
        if sent.get(name):
            sent[name] = sent[name][::-1]
    for name in ("web", "spa", "publicClient"):
        if name in sent:
            sent[name] = (body[name] or {}) | (sent[name] or {})
        if (sent.get(name) or {}).get("redirectUris"):
            sent[name]["redirectUris"] = sent[name]["redirectUris"][::-1]
    for key in sent.get("keyCredentials") or ():
        _complete(key)
    return body | sent


@rule("graph", "a certificate's key is not echoed, its thumbprint is", Provenance.RECORDED, f"{_SOURCE} key_credential")
def _complete(key: Json) -> None:
    if key.get("customKeyIdentifier") and not key.get("key"):
        return  # one that was there before, written back
    try:
        certificate = x509.load_der_x509_certificate(b64decode(key.get("key") or ""))
    except ValueError:
        raise bad_request("Key value is invalid certificate") from None
    key["customKeyIdentifier"] = certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - Graph's own
    key["displayName"] = key.get("displayName") or certificate.subject.rfc4514_string()
    key["keyId"] = key.get("keyId") or str(uuid.uuid4())
    key["key"] = None
