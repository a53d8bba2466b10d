"""Every SDK's exception becomes one of ours: the right class, the service's code, and what to do about it."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError
from kubernetes.aio.client import ApiException
from pyhelm3 import errors as helm
from yarl import URL

from clients.errors import (
    PROPAGATING,
    REACTIONS,
    UNREACHABLE,
    CloudError,
    Conflict,
    Denied,
    Invalid,
    Missing,
    Transient,
    from_graph,
    made,
    translated,
)

from .sdk_errors import CANARY, NOISE, Answer, azure, graph, kubernetes, translation

# Classes and codes


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthorizationFailed", Denied),
        (403, "LinkedAuthorizationFailed", Denied),
        (401, "InvalidAuthenticationTokenTenant", Denied),
        (401, "ExpiredAuthenticationToken", Denied),
        (404, "SubscriptionNotFound", Missing),
        (404, "ResourceGroupNotFound", Invalid),
        (404, "ResourceNotFound", Missing),
        (404, "ParentResourceNotFound", Missing),
        (409, "MissingSubscriptionRegistration", Invalid),
        (409, "OperationNotAllowed", Conflict),
        (412, "EtagMismatch", Conflict),
        (412, "PreconditionFailed", Conflict),
        (409, "AnotherOperationInProgress", Conflict),
        (400, "OIDCIssuerFeatureFlagNotEnabled", Invalid),
        (400, "PrincipalNotFound", Transient),
        (409, "RoleAssignmentExists", Conflict),
        (400, "RoleAssignmentUpdateNotPermitted", Conflict),
        (400, "RoleAssignmentLimitExceeded", Invalid),
        (409, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity", Transient),
        (409, "VaultAlreadyExists", Invalid),
        (409, "ConflictError", Conflict),
        (405, "MethodNotAllowed", Invalid),
        (400, "BadRequest", Invalid),
        (408, "RequestTimeout", Transient),
        (429, "TooManyRequests", Transient),
        (500, "InternalServerError", Transient),
        (503, "ServiceUnavailable", Transient),
        (504, "GatewayTimeout", Transient),
    ],
)
def test_an_error_of_arm_is_classed_by_its_code_else_by_its_status(
    status: int, code: str, expected: type[CloudError]
) -> None:
    error = translation(azure(status, code))
    assert (type(error), error.status, error.code, error.message) == (expected, status, code, "No")


@pytest.mark.parametrize(
    ("status", "code", "inner", "expected"),
    [
        (403, "Forbidden", "AccessDenied", Denied),
        (403, "Forbidden", "ForbiddenByPolicy", Denied),
        (403, "Forbidden", "ForbiddenByRbac", Denied),
        (403, "Forbidden", "ForbiddenByFirewall", Denied),
        (403, "Forbidden", "ForbiddenByConnection", Denied),
        (403, "Forbidden", "SecretDisabled", Invalid),
        (409, "Conflict", "ObjectIsDeletedButRecoverable", Conflict),
        (409, "Conflict", "ObjectIsBeingDeleted", Transient),
        (409, "Conflict", "ObjectIsBeingRecovered", Transient),
        (404, "SecretNotFound", "", Missing),
        (401, "Unauthorized", "", Denied),
    ],
)
def test_an_error_of_key_vault_is_classed_by_its_innermost_code(
    status: int, code: str, inner: str, expected: type[CloudError]
) -> None:
    error = translation(azure(status, code, inner=inner))
    assert (type(error), error.code) == (expected, inner or code)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "Authorization_RequestDenied", Denied),
        (401, "InvalidAuthenticationToken", Denied),
        (403, "Directory_QuotaExceeded", Invalid),
        (409, "Request_MultipleObjectsWithSameKeyValue", Conflict),
        (400, "InvalidFederatedIdentityCredentialValue", Conflict),
        (400, "NoBackingApplicationObject", Transient),
        (404, "Directory_ObjectNotFound", Transient),
        (404, "Request_ResourceNotFound", Missing),
        (400, "Request_BadRequest", Invalid),
        (429, "TooManyRequests", Transient),
        (503, "serviceNotAvailable", Transient),
    ],
)
def test_an_error_of_graph_is_classed_by_its_code_else_by_its_status(
    status: int, code: str, expected: type[CloudError]
) -> None:
    error = graph(status, code)
    assert (type(error), error.status, error.code, error.message) == (expected, status, code, "No")


def test_a_detail_of_a_graph_error_that_we_know_tells_more_than_its_code() -> None:
    error = graph(400, "Request_BadRequest", details=("Other", "NoBackingApplicationObject"))
    assert (type(error), error.code) == (Transient, "NoBackingApplicationObject")


def test_a_graph_error_without_a_body_is_classed_by_its_status() -> None:
    error = from_graph("the thing", 503, {}, {})
    assert (type(error), error.status, error.message) == (Transient, 503, "HTTP 503")


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "BadRequest", Invalid),
        (401, "Unauthorized", Denied),
        (403, "Forbidden", Denied),
        (404, "NotFound", Missing),
        (409, "AlreadyExists", Conflict),
        (409, "Conflict", Conflict),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", Transient),
        (500, "InternalError", Transient),
        (504, "Timeout", Transient),
    ],
)
def test_an_error_of_kubernetes_is_classed_by_its_status(status: int, reason: str, expected: type[CloudError]) -> None:
    error = translation(kubernetes(status, reason))
    assert (type(error), error.status, error.code, error.message) == (expected, status, reason, "No")


@pytest.mark.parametrize("body", [None, "", "not JSON", "<html>", "null", "[]", '"words"', "7"])
def test_an_error_of_kubernetes_with_an_odd_body_is_classed_by_its_status(body: str | None) -> None:
    error = translation(ApiException(status=403, reason="Forbidden", body=body))
    assert (type(error), error.status, error.message) == (Denied, 403, "Forbidden")


def test_a_denial_of_kubernetes_is_about_its_own_permissions_and_not_the_tenants() -> None:
    assert "RBAC permission on the cluster" in translation(kubernetes(403, "Forbidden")).advice


@pytest.mark.parametrize(
    ("error", "expected", "code"),
    [
        (helm.ConnectionError, Transient, "HelmConnection"),
        (helm.ReleaseNotFoundError, Missing, "ReleaseNotFound"),
        (helm.ChartNotFoundError, Conflict, "Helm"),
        (helm.ResourceAlreadyExistsError, Conflict, "Helm"),
        (helm.Error, Conflict, "Helm"),
    ],
)
def test_an_error_of_helm_is_classed_by_its_kind(error: Any, expected: type[CloudError], code: str) -> None:
    translated_error = translation(error(1, b"", b"Error: it failed\n"))
    assert (type(translated_error), translated_error.code) == (expected, code)
    assert translated_error.message == "it failed"


@pytest.mark.parametrize(
    "before", ["", "DefaultAzureCredential failed\nAttempted credentials:\n\tEnvironmentCredential: "]
)
def test_a_gateways_page_instead_of_a_token_passes_by_itself(before: str) -> None:
    page = "Unexpected response from Microsoft Entra ID: <html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
    assert isinstance(translation(ClientAuthenticationError(f"{before}{page}")), Transient)


@pytest.mark.parametrize(
    "words",
    [
        "could not get apiVersions from Kubernetes: the server is currently unable to handle the request",
        'Patch "https://x/api/v1/secrets/one?fieldManager=helm": EOF',
        'Get "https://x/version": read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer',
        "the server has received too many requests and has asked us to try again later",
        'an error on the server ("<html>") has prevented the request from succeeding (get secrets)',
    ],
)
def test_bad_weather_that_helm_met_passes_by_itself(words: str) -> None:
    assert isinstance(translation(helm.Error(1, b"", f"Error: UPGRADE FAILED: {words}".encode())), Transient)


def test_helms_warnings_are_not_its_error() -> None:
    stderr = b'WARNING: "x" is group-readable\ncoalesce.go:286: warning\nError: UPGRADE FAILED: no\n'
    assert translation(helm.Error(1, b"", stderr)).message == "UPGRADE FAILED: no"


def test_a_helm_that_says_nothing_is_named_by_its_kind() -> None:
    assert translation(helm.ChartNotFoundError(1, b"", b"")).message == "ChartNotFoundError"


@pytest.mark.parametrize(
    "error",
    [
        ServiceRequestError("Cannot connect to host x:443"),
        ServiceRequestTimeoutError("timed out"),
        ServiceResponseError("connection reset"),
        IncompleteReadError("payload is not completed"),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError("payload is not completed"),
        TimeoutError(),
        ConnectionRefusedError(111, "Connection refused"),
        OSError("Name or service not known"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_service_that_does_not_answer_is_unreachable(error: Exception) -> None:
    seen = translation(error)
    assert (type(seen), seen.code, seen.status) == (Transient, UNREACHABLE, 0)
    assert seen.message.startswith("cannot be reached: ")
    assert seen.advice == "Check the network, the proxy and the name"


# Signing in


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("AADSTS90002", Denied),
        ("AADSTS700016", Denied),
        ("AADSTS7000215", Denied),
        ("AADSTS7000222", Denied),
        ("AADSTS7000112", Denied),
        ("AADSTS7000229", Denied),
        ("AADSTS50013", Denied),
        ("AADSTS70025", Denied),
        ("AADSTS70021", Denied),
        ("AADSTS700211", Denied),
        ("AADSTS700212", Denied),
        ("AADSTS700213", Denied),
        ("AADSTS7002138", Denied),
        ("AADSTS700024", Denied),
        ("AADSTS50166", Transient),
        ("AADSTS90061", Transient),
        ("AADSTS99999999", Denied),
    ],
)
def test_a_refusal_of_entra_is_classed_by_its_number_alone(number: str, expected: type[CloudError]) -> None:
    error = translation(ClientAuthenticationError(f"Authentication failed: {number}: Some words.{NOISE}"))
    assert (type(error), error.code, error.message) == (expected, number, f"{number}: Some words")
    assert error.advice or number == "AADSTS99999999"


def test_a_refusal_of_entra_with_its_answer_is_classed_by_its_number_too() -> None:
    body = {"error": {"code": "invalid_client", "message": f"AADSTS700213: No subject.{NOISE}"}}
    error = translation(ClientAuthenticationError(response=Answer(401, body)))
    assert (type(error), error.code, error.status) == (Denied, "AADSTS700213", 401)


def test_no_credential_at_all_says_how_to_sign_in() -> None:
    error = translation(CredentialUnavailableError("EnvironmentCredential: not configured\n\tAzureCli: not found"))
    assert (type(error), error.code) == (Denied, "NoCredential")
    assert "az login" in error.advice


def test_an_entra_that_does_not_answer_is_unreachable_and_no_missing_credential() -> None:
    """DefaultAzureCredential tells of it in words only, as the last of its attempts."""
    error = translation(
        ClientAuthenticationError(
            "DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
            "Attempted credentials:\n"
            "\tEnvironmentCredential: Cannot connect to host login.microsoftonline.com:443 ssl:default [None]\n"
            "To mitigate this issue, please refer to the troubleshooting guidelines here at https://aka.ms/x."
        )
    )
    assert (type(error), error.code) == (Transient, UNREACHABLE)
    assert error.message.startswith("cannot be reached: Cannot connect to host login.microsoftonline.com:443")


def test_a_credential_that_asked_in_vain_before_the_others_is_no_outage() -> None:
    error = translation(
        ClientAuthenticationError(
            "DefaultAzureCredential failed to retrieve a token from the included credentials.\n"
            "Attempted credentials:\n"
            "\tManagedIdentityCredential: Cannot connect to host 169.254.169.254:80\n"
            "\tAzureCliCredential: Please run 'az login' to set up an account\n"
        )
    )
    assert (type(error), error.code) == (Denied, "NoCredential")


def test_what_a_new_credential_waits_for_are_refusals_of_entra() -> None:
    assert all(REACTIONS[code].error is Denied for code in PROPAGATING)


# Advice


@pytest.mark.parametrize("code", [code for code, reaction in REACTIONS.items() if reaction.error in (Denied, Invalid)])
def test_where_trying_again_does_not_help_there_is_advice(code: str) -> None:
    assert REACTIONS[code].advice


@pytest.mark.parametrize(
    ("status", "words"), [(401, "Sign in again"), (403, "Ask an administrator"), (429, "slow down")]
)
def test_a_status_alone_brings_advice(status: int, words: str) -> None:
    assert words in made("the thing", status, "", "No.").advice


def test_an_error_reads_resource_message_code_advice() -> None:
    error = made("vault x", 403, "ForbiddenByRbac", "Caller is not authorized.\r\nAction: 'secrets/get'")
    assert str(error) == (
        "vault x: Caller is not authorized (ForbiddenByRbac). Give this principal a Key Vault role on the vault; "
        "a new role takes up to 10 minutes to work"
    )


def test_a_code_that_stands_in_the_message_is_not_said_twice() -> None:
    assert str(made("x", 400, "AADSTS1", "AADSTS1: No.")) == "x: AADSTS1: No"


@pytest.mark.parametrize("message", ["", "   ", "\n", "\\r\\n"])
def test_an_error_without_words_tells_its_status(message: str) -> None:
    assert made("x", 418, "", message).message == "HTTP 418"


# When to try again


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "17"}, 17),
        ({"retry-after": "17"}, 17),
        ({"RETRY-AFTER": "0.5"}, 0.5),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After": "60", "x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": "60", "x-ms-retry-after-ms": "soon"}, 60),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("sdk", ["azure", "graph", "kubernetes"])
def test_how_long_a_service_asks_to_wait_is_read_in_seconds(sdk: str, headers: dict[str, str], seconds: float) -> None:
    if sdk == "azure":
        error = translation(HttpResponseError(response=_with_headers(headers)))
    elif sdk == "graph":
        error = translation(graph(429, "TooManyRequests", headers=headers))
    else:
        error = translation(kubernetes(429, "TooManyRequests", headers=headers))
    assert type(error) is Transient
    assert error.retry_after == pytest.approx(seconds)


def _with_headers(headers: dict[str, str]) -> Any:
    answer = Answer(429, {"error": {"code": "TooManyRequests", "message": "No."}})
    answer.headers = headers
    return answer


# What is let through


async def test_a_cancellation_is_not_translated() -> None:
    with pytest.raises(asyncio.CancelledError), translated("the thing"):
        raise asyncio.CancelledError


def test_an_error_of_ours_keeps_its_own_resource() -> None:
    error = Missing("the part", "no")
    with pytest.raises(Missing) as raised, translated("the whole"):
        raise error
    assert raised.value is error


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(KeyError), translated("the thing"):
        raise KeyError("x")


@pytest.mark.parametrize("kind", [ResourceExistsError, ResourceNotFoundError, ClientAuthenticationError])
def test_azures_own_classes_make_no_difference(kind: Any) -> None:
    assert type(translation(azure(409, "Conflict", kind=kind))) is Conflict


def test_an_error_survives_being_pickled() -> None:
    error = made("x", 429, "TooManyRequests", "No.", headers={"Retry-After": "7"})
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.status, again.code, again.retry_after) == (str(error), 429, "TooManyRequests", 7)


# Nothing secret


@pytest.mark.parametrize(
    "error",
    [
        azure(400, "BadParameter", "The value is wrong."),
        HttpResponseError(message="Operation returned an invalid status 'Bad'", response=Answer(400, CANARY)),
        HttpResponseError(
            message=f"Operation returned an invalid status 'Bad'\nContent: {CANARY}", response=Answer(502, "<html>")
        ),
        ClientAuthenticationError(f"AADSTS700213: No subject.{NOISE}\n{CANARY}"),
        ClientAuthenticationError(f"Authentication failed: {CANARY}"),
        AzureError(f"unexpected answer {CANARY}"),
        kubernetes(401, "Unauthorized", headers={"Authorization": CANARY}),
        graph(400, "Request_BadRequest", headers={"client-request-id": CANARY}),
        helm.Error(1, CANARY.encode(), b"Error: it failed"),
        aiohttp.InvalidUrlClientError(URL(f"http://user:{CANARY}@proxy:3128"), "port is wrong"),
        aiohttp.ClientResponseError(
            aiohttp.RequestInfo(URL(f"https://x/y?sig={CANARY}"), "GET", {}, URL(f"https://x/y?sig={CANARY}")),  # type: ignore[arg-type]
            (),
            status=502,
            message="Bad Gateway",
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_token_and_no_value_of_a_request_gets_into_the_words(error: Exception) -> None:
    seen = translation(error)
    assert "canary" not in str(seen)
    assert "canary" not in repr(seen)


def test_the_noise_of_entra_is_left_out() -> None:
    error = translation(ClientAuthenticationError(f"AADSTS700213: No subject.{NOISE}"))
    assert "Trace ID" not in str(error)
    assert "Timestamp" not in str(error)
