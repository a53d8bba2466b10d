"""The failures of the token endpoint, all in one table, and the envelope they are answered in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from simulator.provenance import LEDGER, Provenance, Rule, doubt
from simulator.routing import Refusal

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

_NO_MATCH = "No matching federated identity record found for presented assertion "
_CHECK = " federated identity credential Subject, Audience and Issuer against the presented assertion. "
_OLD_TAIL = (
    f"Please check your{_CHECK}"
    "https://docs.microsoft.com/en-us/azure/active-directory/develop/workload-identity-federation"
)
_FEDERATION = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
_CASE_TAIL = (
    "The subject matches with case-insensitive comparison, but not with case-sensitive comparison. "
    f"Check your{_CHECK}See documentation at: {_FEDERATION}. See breaking change notification and remediation at: "
    "https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024."
)
_WRONG_TENANT = (
    "This can happen if the application has not been installed by the administrator of the tenant or consented to by "
    "any user in the tenant. You may have sent your authentication request to the wrong tenant."
)


@dataclass(frozen=True)
class Failure:
    """One AADSTS code. ``text`` has named gaps."""

    code: int
    status: int
    error: str
    text: str
    source: str
    provenance: Provenance = Provenance.REPORTED
    has_uri: bool = False


_ROWS = (
    Failure(
        90002,
        400,
        "invalid_tenant",
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant.",
        "token-endpoint.yaml 90002",
        has_uri=True,
    ),
    Failure(
        900023,
        400,
        "invalid_request",
        "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.",
        "token-endpoint.yaml 900023",
        has_uri=True,
    ),
    Failure(
        700016,
        400,
        "unauthorized_client",
        f"Application with identifier '{{client}}' was not found in the directory '{{directory}}'. {_WRONG_TENANT}",
        "token-endpoint.yaml 700016",
        has_uri=True,
    ),
    Failure(
        7000112,
        400,
        "unauthorized_client",
        "Application '{client}'({name}) is disabled.",
        "Worklytics/psoxy#74, azure-docs#28469",
        has_uri=True,
    ),
    Failure(
        7000229,
        401,
        "invalid_client",
        "The client application {client} is missing service principal in the tenant {tenant}. "
        "See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
        "azure-sdk-for-net#46762",
    ),
    Failure(
        7000215,
        401,
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        "the client secret ID, for a secret added to app '{client}'.",
        "azure-docs#33356",
        has_uri=True,
    ),
    Failure(
        7000222,
        401,
        "invalid_client",
        "The provided client secret keys for app '{client}' are expired. Visit the Azure portal to create new keys for "
        "your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: "
        "https://aka.ms/certCreds.",
        "reference-error-codes",
        Provenance.DOCUMENTED,
        has_uri=True,
    ),
    Failure(
        7000216,
        401,
        "invalid_client",
        "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        "token-endpoint.yaml 7000216",
    ),
    Failure(
        900144,
        400,
        "invalid_request",
        "The request body must contain the following parameter: '{parameter}'.",
        "reference-error-codes",
        Provenance.DOCUMENTED,
        has_uri=True,
    ),
    Failure(
        70003,
        400,
        "unsupported_grant_type",
        "The app requested an unsupported grant type '{grant}'.",
        "reference-error-codes",
        Provenance.DOCUMENTED,
        has_uri=True,
    ),
    Failure(
        1002012,
        400,
        "invalid_scope",
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
        "/.default suffixed to the resource identifier (application ID URI).",
        "reference-error-codes",
        Provenance.DOCUMENTED,
    ),
    Failure(
        500011,
        400,
        "invalid_resource",
        "The resource principal named {resource} was not found in the tenant named {directory}. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You might have sent your authentication request to the wrong tenant.",
        "azure-cli#17209",
        has_uri=True,
    ),
    Failure(
        50027,
        400,
        "invalid_request",
        "JWT token is invalid or malformed.",
        "reference-error-codes",
        Provenance.DOCUMENTED,
        has_uri=True,
    ),
    Failure(
        70025,
        401,
        "invalid_client",
        "The client '{client}'({name}) has no configured federated identity credentials.",
        "limits-and-errors E3",
    ),
    Failure(
        700024,
        401,
        "invalid_client",
        "Client assertion is not within its valid time range. Current time: {current}, assertion valid from {begins}, "
        "expiry time of assertion {ends}. Review the documentation at "
        "https://learn.microsoft.com/entra/identity-platform/certificate-credentials .",
        "token-endpoint.yaml 700024",
    ),
    Failure(
        700211,
        401,
        "invalid_client",
        f"{_NO_MATCH}issuer '{{issuer}}'. {_OLD_TAIL}",
        "token-endpoint.yaml 700211",
    ),
    Failure(
        700212,
        401,
        "invalid_client",
        f"{_NO_MATCH}audience '{{audience}}'. {_OLD_TAIL}",
        "token-endpoint.yaml 700212",
    ),
    Failure(
        700213,
        401,
        "invalid_client",
        f"{_NO_MATCH}subject '{{subject}}'. Check your{_CHECK}{_FEDERATION}",
        "token-endpoint.yaml 700213",
    ),
    Failure(
        7002138,
        401,
        "invalid_client",
        f"{_NO_MATCH}subject '{{subject}}'. {_CASE_TAIL}",
        "token-endpoint.yaml 7002138",
    ),
    Failure(50166, 400, "invalid_request", "Request to External OIDC endpoint failed.", "azure-workload-identity#642"),
    Failure(90061, 400, "invalid_request", "Request to External OIDC endpoint failed.", "azure-workload-identity#605"),
    Failure(
        50013,
        401,
        "invalid_client",
        "Assertion failed signature validation. [Reason - {reason}]",
        "reference-error-codes",
        Provenance.ASSUMED,
    ),
    Failure(
        90033,
        503,
        "temporarily_unavailable",
        "A transient error has occurred. Please try again.",
        "Entra authentication and authorization error codes, AADSTS90033",
        Provenance.DOCUMENTED,
    ),
    Failure(
        90055,
        429,
        "temporarily_unavailable",
        "There are too many incoming requests. Please try again later.",
        "Entra authentication and authorization error codes, AADSTS90055",
        Provenance.DOCUMENTED,
    ),
)

FAILURES = {row.code: row for row in _ROWS}
"""By AADSTS number."""

LEDGER.update({Rule("entra", f"AADSTS{row.code} {row.error}", row.provenance, row.source): row for row in _ROWS})


@doubt(
    "entra",
    "the status of 700211, 700212, 700213, 7002138 and 700024",
    "401, as of 7002137",
    "wire/token-endpoint.yaml errors",
)
@doubt(
    "entra",
    "the status of 7000216, the status and the OAuth code of 900023",
    "401; 400 invalid_request",
    "wire/token-endpoint.yaml 7000216, 900023",
)
@doubt(
    "entra",
    "no match: 70021 with invalid_request until 2022, then a code for each of issuer, audience and subject",
    "the split codes with invalid_client, in the words of 2025 where there are newer ones",
    "wire/token-endpoint.yaml 70021",
)
@doubt(
    "entra",
    "the OAuth code of 90002: invalid_request in 2020, invalid_tenant since 2022",
    "invalid_tenant",
    "wire/token-endpoint.yaml 90002",
)
@doubt(
    "entra",
    "the status of 7000112, and when the token endpoint hears that a service principal was disabled",
    "400, as of 700016 with the same OAuth code; at once, before any proof is looked at",
    "Worklytics/psoxy#74",
)
def failure(code: int, now: datetime, **gaps: str) -> Refusal:
    """The refusal for one row of the table, its text's gaps filled."""
    row = FAILURES[code]
    return Refusal(row.status, row.error, row.text.format_map(gaps), extra={"row": row, "now": now})


@doubt(
    "entra",
    "CR LF between the parts of an error's text up to 2023, a single space from about 2024",
    "a single space",
    "wire/token-endpoint.yaml error_envelope.separator",
)
def envelope(request: Request, refusal: Refusal) -> Response:
    """The body of token-endpoint.yaml ``error_envelope``, in the form it has had since 2024."""
    row, now = refusal.extra["row"], refusal.extra["now"]
    trace = str(uuid.uuid4())
    correlation = request.headers.get("client-request-id") or str(uuid.uuid4())
    timestamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
    body: dict[str, Any] = {
        "error": refusal.code,
        "error_description": f"AADSTS{row.code}: {refusal.message} Trace ID: {trace} Correlation ID: {correlation} "
        f"Timestamp: {timestamp}",
        "error_codes": [row.code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    if row.has_uri:
        body["error_uri"] = f"https://login.microsoftonline.com/error?code={row.code}"
    return JSONResponse(body, refusal.status, headers={"cache-control": "no-store, no-cache", "pragma": "no-cache"})
