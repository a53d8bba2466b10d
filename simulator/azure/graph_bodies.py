"""What the bodies of requests to Microsoft Graph may hold, as far as the simulator knows what it means."""

from __future__ import annotations

from .shapes import ANY, OPEN, Shape

_REDIRECTS: Shape = {"redirectUris": [str]}

APPLICATION: Shape = {
    "id": str,
    "deletedDateTime": str,
    "appId": str,
    "applicationTemplateId": str,
    "disabledByMicrosoftStatus": str,
    "createdDateTime": str,
    "displayName": str,
    "description": str,
    "groupMembershipClaims": str,
    "identifierUris": [str],
    "isDeviceOnlyAuthSupported": bool,
    "isFallbackPublicClient": bool,
    "notes": str,
    "publisherDomain": str,
    "serviceManagementReference": str,
    "signInAudience": str,
    "tags": [str],
    "tokenEncryptionKeyId": str,
    "uniqueName": str,
    "samlMetadataUrl": str,
    "defaultRedirectUri": str,
    "certification": OPEN,
    "optionalClaims": OPEN,
    "servicePrincipalLockConfiguration": OPEN,
    "requestSignatureVerification": OPEN,
    "addIns": [OPEN],
    "api": {
        "acceptMappedClaims": bool,
        "knownClientApplications": [str],
        "requestedAccessTokenVersion": int,
        "oauth2PermissionScopes": [OPEN],
        "preAuthorizedApplications": [OPEN],
    },
    "appRoles": [OPEN],
    "info": OPEN,
    "keyCredentials": [
        {
            "customKeyIdentifier": str,
            "displayName": str,
            "endDateTime": str,
            "key": str,
            "keyId": str,
            "startDateTime": str,
            "type": str,
            "usage": str,
        }
    ],
    "parentalControlSettings": OPEN,
    "passwordCredentials": [OPEN],
    "publicClient": _REDIRECTS,
    "requiredResourceAccess": [OPEN],
    "verifiedPublisher": OPEN,
    "web": {
        "homePageUrl": str,
        "logoutUrl": str,
        "redirectUris": [str],
        "implicitGrantSettings": {"enableAccessTokenIssuance": bool, "enableIdTokenIssuance": bool},
        "redirectUriSettings": [OPEN],
    },
    "spa": _REDIRECTS,
}

PRINCIPAL: Shape = {
    "appId": str,
    "accountEnabled": bool,
    "alternativeNames": [str],
    "appRoleAssignmentRequired": bool,
    "description": str,
    "displayName": str,
    "notes": str,
    "notificationEmailAddresses": [str],
    "preferredSingleSignOnMode": str,
    "servicePrincipalNames": [str],
    "tags": [str],
}

CREDENTIAL: Shape = {
    "id": str,
    "name": str,
    "issuer": str,
    "subject": str,
    "audiences": [str],
    "description": str,
}

PASSWORD: Shape = {"passwordCredential": {"displayName": str, "startDateTime": str, "endDateTime": str}}

PASSWORD_KEY: Shape = {"keyId": str}

IDS: Shape = {"ids": [str], "types": [str]}

BATCH: Shape = {
    "requests": [{"id": str, "method": str, "url": str, "headers": OPEN, "body": ANY, "dependsOn": [str]}],
}
