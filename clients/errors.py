"""Every SDK's exceptions become ours here, once: what happened, to which object, and what to do about it.

The classes say how to react; the table of codes says which class an error is. Codes and reactions follow Microsoft's
documentation and public threads. The texts of Entra's AADSTS errors are not stable, so only their numbers are read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)
from kubernetes.aio.client import ApiException
from pyhelm3 import errors as helm


class CloudError(Exception):
    """A request that failed. ``resource`` names the object as the user knows it, ``advice`` says what to do."""

    def __init__(
        self, resource: str, message: str, *, status: int = 0, code: str = "", advice: str = "", retry_after: float = 0
    ) -> None:
        self.resource, self.message, self.status, self.code = resource, message, status, code
        self.advice, self.retry_after = advice, retry_after
        super().__init__(resource, message)

    def __str__(self) -> str:
        what = f"{self.resource}: {self.message}"
        if self.code and self.code not in self.message:
            what += f" ({self.code})"
        return f"{what}. {self.advice}" if self.advice else what


class Transient(CloudError):
    """Will pass by itself: throttling, a busy or unreachable service, a copy that has not caught up."""


class Conflict(CloudError):
    """The object is in a state in which the request cannot be carried out, or somebody else writes it just now."""


class Missing(CloudError):
    """The object, or one that it refers to, does not exist (yet)."""


class Denied(CloudError):
    """We are not who we need to be, or may not do this. Trying again does not help."""


class Invalid(CloudError):
    """The request is wrong. Trying again does not help."""


@dataclass(frozen=True)
class Reaction:
    """How an error code is met."""

    error: type[CloudError]
    advice: str = ""


UNREACHABLE = "Unreachable"
"""The code of our own for a service that did not answer at all."""

_ASK_ADMIN = "Ask an administrator of the tenant for the permission, or run as somebody who has it"

REACTIONS: Mapping[str, Reaction] = {
    # Azure Resource Manager
    "AuthorizationFailed": Reaction(
        Denied, "Give the operator a role with this action at this scope; a new role takes up to 10 minutes to work"
    ),
    "LinkedAuthorizationFailed": Reaction(Denied, "Give the operator a role that covers the linked scope too"),
    "InvalidAuthenticationTokenTenant": Reaction(Denied, "Sign in to the subscription's own tenant (AZURE_TENANT_ID)"),
    "SubscriptionNotFound": Reaction(Missing, "Check subscription in the fleet file, and that the operator sees it"),
    "ResourceGroupNotFound": Reaction(Invalid, "Create the resource group, or correct resource_group"),
    "MissingSubscriptionRegistration": Reaction(Invalid, "Register the provider: az provider register --namespace ..."),
    "OperationNotAllowed": Reaction(Conflict, "Another operation on it is in progress"),
    "EtagMismatch": Reaction(Conflict, "It was changed meanwhile"),
    "AnotherOperationInProgress": Reaction(Conflict, "Another operation on it is in progress"),
    "OIDCIssuerFeatureFlagNotEnabled": Reaction(
        Invalid, "Add EnableOIDCIssuerPreview to the cluster's preview_features"
    ),
    "PrincipalNotFound": Reaction(Transient, "The principal is new and not known everywhere yet"),
    "UnmatchedPrincipalType": Reaction(Invalid, "The principal is of another kind than the request says"),
    "RoleAssignmentExists": Reaction(Conflict, "The same assignment exists under another name"),
    "RoleAssignmentUpdateNotPermitted": Reaction(Conflict, "This name belongs to an assignment of another principal"),
    "RoleAssignmentLimitExceeded": Reaction(Invalid, "Remove unused role assignments of the subscription"),
    "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity": Reaction(Transient),
    "VaultAlreadyExists": Reaction(
        Invalid, "Vault names are global: choose another name, or look for your own deleted vault of this name"
    ),
    "ConflictError": Reaction(Conflict, "A vault of this name is soft-deleted, or is being changed by somebody else"),
    # Microsoft Graph
    "Authorization_RequestDenied": Reaction(Denied, f"Application.ReadWrite.OwnedBy is needed. {_ASK_ADMIN}"),
    "Directory_QuotaExceeded": Reaction(Invalid, "Remove applications, also those in the tenant's deleted items"),
    "Request_MultipleObjectsWithSameKeyValue": Reaction(Conflict, "An object of this name exists"),
    "InvalidFederatedIdentityCredentialValue": Reaction(Conflict, "The identity has this issuer and subject already"),
    "NoBackingApplicationObject": Reaction(Transient, "The application is new and not known everywhere yet"),
    "Directory_ObjectNotFound": Reaction(Transient),
    # Key Vault
    "ForbiddenByPolicy": Reaction(Denied, "The vault's access policy does not allow it"),
    "AccessDenied": Reaction(Denied, "Add an access policy for this principal; a new one takes some seconds to work"),
    "ForbiddenByRbac": Reaction(
        Denied, "Give this principal a Key Vault role on the vault; a new role takes up to 10 minutes to work"
    ),
    "ForbiddenByFirewall": Reaction(Denied, "Let this network through the vault's firewall"),
    "ForbiddenByConnection": Reaction(
        Denied, "The vault answers on private endpoints only: reach it from their network, or enable public access"
    ),
    "SecretDisabled": Reaction(Invalid, "Enable the secret"),
    "ObjectIsDeletedButRecoverable": Reaction(Conflict, "Set soft_deleted: recover to bring it back"),
    "ObjectIsBeingDeleted": Reaction(Transient, "Its deletion is still going on"),
    "ObjectIsBeingRecovered": Reaction(Transient, "Its recovery is still going on"),
    # Entra's token endpoint
    "AADSTS90002": Reaction(Denied, "Check the tenant id (AZURE_TENANT_ID)"),
    "AADSTS700016": Reaction(Denied, "Check the client id (AZURE_CLIENT_ID) and that it is of this tenant"),
    "AADSTS7000112": Reaction(Denied, "The service principal is disabled: enable it for sign-in"),
    "AADSTS7000229": Reaction(Denied, "Create the application's service principal: az ad sp create --id CLIENT_ID"),
    "AADSTS50013": Reaction(
        Denied, "The cluster signs with a key that its issuer does not publish: publish it, or get a new token"
    ),
    "AADSTS7000215": Reaction(Denied, "Check the client secret (AZURE_CLIENT_SECRET): its value, not its id"),
    "AADSTS7000222": Reaction(Denied, "The client secret has expired: make a new one"),
    "AADSTS70025": Reaction(Denied, "The identity has no federated credential, or a new one is not in effect yet"),
    "AADSTS70021": Reaction(
        Denied, "No federated credential of the identity matches, or a new one is not in effect yet"
    ),
    "AADSTS700211": Reaction(Denied, "No federated credential of the identity has this issuer, to the last slash"),
    "AADSTS700212": Reaction(Denied, "No federated credential of the identity has this audience"),
    "AADSTS700213": Reaction(Denied, "No federated credential of the identity has this subject"),
    "AADSTS7002138": Reaction(Denied, "The subject differs in upper and lower case only: they must be equal"),
    "AADSTS700024": Reaction(Denied, "The ServiceAccount token has expired, or the clocks differ"),
    "AADSTS50166": Reaction(Transient, "Entra could not read the cluster's OIDC documents"),
    "AADSTS90061": Reaction(Transient, "Entra could not read the cluster's OIDC documents"),
    "AADSTS90033": Reaction(Transient, "Entra is busy"),
    "AADSTS90055": Reaction(Transient, "The service asks to slow down"),
}
"""Error codes with a reaction that their HTTP status does not tell."""

PROPAGATING = frozenset(
    {
        "AADSTS70021",
        "AADSTS70025",
        "AADSTS700211",
        "AADSTS700212",
        "AADSTS700213",
        "AADSTS7002138",
        "AADSTS700016",
        "AADSTS7000229",
    }
)
"""What the token endpoint answers while a new or mended identity or federated credential is not in effect yet."""

_BY_STATUS: Mapping[int, Reaction] = {
    401: Reaction(Denied, "Sign in again, or check the operator's credentials"),
    403: Reaction(Denied, _ASK_ADMIN),
    404: Reaction(Missing),
    408: Reaction(Transient),
    409: Reaction(Conflict),
    412: Reaction(Conflict, "It was changed meanwhile"),
    429: Reaction(Transient, "The service asks to slow down"),
}

_AADSTS = re.compile(r"AADSTS\d+")
_UNANSWERED = re.compile(
    r"(Cannot connect to|Connection timeout to|Server disconnected).*|Unexpected response from Microsoft Entra ID"
)
_HELMS_WEATHER = re.compile(
    r"currently unable to handle the request|too many requests|server has asked for the client to slow down"
    r"|an error on the server|connection reset by peer|connection refused|\bEOF\b|server closed|connection lost"
    r"|i/o timeout|TLS handshake timeout|etcdserver|502 Bad Gateway|failed to download openapi",
    re.IGNORECASE,
)
"""How helm tells that a request of its own failed by no fault of the chart."""
_PRIVATE = re.compile(r"(?<=://)[^/@\s]+@|\?[^\s'\"]+")
"""Of a URL: a password before the host, and the query."""
_NOISE = re.compile(r"\s*(Trace ID:.*|Correlation ID:.*|Timestamp:.*|Content: .*)", re.DOTALL)


@contextlib.contextmanager
def translated(resource: str) -> Iterator[None]:
    """What an SDK raises inside becomes a :class:`CloudError` about ``resource``; the original is chained."""
    try:
        yield
    except (CloudError, asyncio.CancelledError):
        raise
    except (ServiceRequestError, ServiceResponseError, IncompleteReadError) as error:
        raise _unreachable(resource, error) from error
    except HttpResponseError as error:
        if isinstance(error, ClientAuthenticationError) and error.response is None:
            raise _sign_in(resource, error) from error
        raise _from_azure(resource, error) from error
    except AzureError as error:
        raise _sign_in(resource, error) from error
    except ApiException as error:
        raise _from_kubernetes(resource, error) from error
    except helm.Error as error:
        raise _from_helm(resource, error) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(resource, error) from error


def made(
    resource: str, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
) -> CloudError:
    """The error for a status, the service's code (the innermost one) and its message."""
    reaction = REACTIONS.get(code) or _BY_STATUS.get(status) or Reaction(Transient if status >= 500 else Invalid)
    first_line = message.replace("\\r\\n", "\n").replace("\r", "\n").strip().split("\n", 1)[0].rstrip(". ")
    return reaction.error(
        resource,
        first_line or f"HTTP {status}",
        status=status,
        code=code,
        advice=reaction.advice,
        retry_after=_retry_after(headers or {}),
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait as the service asks for, 0 where it does not. ARM and Key Vault also speak milliseconds."""
    lower = {key.lower(): value for key, value in headers.items()}
    for name, unit in (("x-ms-retry-after-ms", 0.001), ("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            return float(lower[name]) * unit
    return 0.0


def _from_azure(resource: str, error: HttpResponseError) -> CloudError:
    code = str(getattr(error.error, "code", "") or "")
    message = str(getattr(error.error, "message", "") or error.message or "")
    inner = getattr(error.error, "innererror", None) or {}
    code = str(inner.get("code") or code) if isinstance(inner, Mapping) else code
    if found := _AADSTS.search(message):
        code = found.group()
    headers = dict(getattr(error.response, "headers", None) or {})
    return made(resource, error.status_code or 0, code, _NOISE.sub("", message), headers=headers)


def _sign_in(resource: str, error: AzureError) -> CloudError:
    """A token could not be had: the credential's own words carry the AADSTS number where Entra answered at all."""
    message = str(error.message)
    if found := _AADSTS.search(message):
        return made(resource, 401, found.group(), _NOISE.sub("", message[found.start() :]))
    attempts = [line for line in message.splitlines() if line.startswith("\t")]
    last = attempts[-1] if attempts else message  # a chain of credentials stops at an outage
    if unanswered := _UNANSWERED.search(last):
        return _unreachable(resource, unanswered.group())
    advice = "Set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, or sign in with az login"
    return Denied(resource, "no credential of the operator works", status=401, code="NoCredential", advice=advice)


def from_graph(resource: str, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> CloudError:
    """The error of an answer of Graph; a detail's code that we know says more than the code above it."""
    main = body.get("error")
    main = main if isinstance(main, Mapping) else {}
    codes = [str(detail.get("code") or "") for detail in main.get("details") or ()]
    code = next((code for code in codes if code in REACTIONS), str(main.get("code") or ""))
    return made(resource, status, code, str(main.get("message") or ""), headers=headers)


def _from_kubernetes(resource: str, error: ApiException) -> CloudError:
    status: dict[str, Any] = {}
    with contextlib.suppress(ValueError, TypeError):
        answer = json.loads(error.body or "")
        status = answer if isinstance(answer, dict) else {}
    message = str(status.get("message") or error.reason or "")
    made_error = made(resource, error.status or 0, str(status.get("reason") or ""), message, headers=error.headers)
    if isinstance(made_error, Denied):
        made_error.advice = "Give the operator the RBAC permission on the cluster (README, Permissions)"
    return made_error


def _from_helm(resource: str, error: helm.Error) -> CloudError:
    said = (error.stderr or b"").decode("utf-8", "replace").strip()
    words = re.split(r"^Error: ", said, maxsplit=1, flags=re.MULTILINE)[-1] or type(error).__name__
    if isinstance(error, helm.ConnectionError) or _HELMS_WEATHER.search(words):
        return Transient(resource, words, code="HelmConnection")
    if isinstance(error, helm.ReleaseNotFoundError):
        return Missing(resource, words, code="ReleaseNotFound")
    return Conflict(resource, words, code="Helm", advice="helm status and helm history tell more")


def _unreachable(resource: str, error: BaseException | str) -> CloudError:
    words = _PRIVATE.sub("", str(error).strip().split("\n", 1)[0]) or type(error).__name__
    advice = "Check the network, the proxy and the name"
    return Transient(resource, f"cannot be reached: {words}", code=UNREACHABLE, advice=advice)
