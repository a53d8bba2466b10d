"""Entra through azure-identity, MSAL and PyJWT: who mistypes something is told what; tokens can be verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import jwt
import msal
import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, ClientSecretCredential
from sdk_operator import GROUP, REGION, Operator

from tests.clients.served import ServedCloud

LOGIN = "https://login.microsoftonline.com"
VAULT = "https://vault.azure.net"
MANAGEMENT = "https://management.azure.com"
AUDIENCE = "api://AzureADTokenExchange"


def with_secret(secret: str) -> ClientSecretCredential:
    return ClientSecretCredential(os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], secret)


def with_assertion(assertion: str) -> ClientAssertionCredential:
    return ClientAssertionCredential(os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], lambda: assertion)


MISTAKES: dict[str, tuple[Callable[[Operator], TokenCredential], str, str]] = {
    "a secret of somebody else": (
        lambda own: with_secret("of somebody else"),
        f"{VAULT}/.default",
        "AADSTS7000215: Invalid client secret provided",
    ),
    "a scope that is no resource's default": (
        lambda own: own.credential,
        f"{VAULT}/secrets.read",
        "AADSTS1002012: The provided value for scope",
    ),
    "a resource that nobody knows": (
        lambda own: own.credential,
        "https://nobody.example/.default",
        "AADSTS500011: The resource principal named https://nobody.example was not found",
    ),
    "a file that holds no token": (
        lambda own: with_assertion("no token"),
        f"{VAULT}/.default",
        "AADSTS50027: JWT token is invalid or malformed",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_azure_identity_tells_a_mistake_in_the_words_that_can_be_looked_up(operator: Operator, mistake: str) -> None:
    credential, scope, words = MISTAKES[mistake]
    with pytest.raises(ClientAuthenticationError) as refusal:
        credential(operator).get_token(scope)
    assert words in str(refusal.value)


def test_an_assertion_that_is_signed_by_another_algorithm_proves_nothing(
    operator: Operator, served: ServedCloud
) -> None:
    """Neither may the issuer's key, which everybody knows, be taken for a secret that is shared with it."""
    body = {
        "location": REGION,
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "dnsPrefix": "signing",
            "oidcIssuerProfile": {"enabled": True},
            "agentPoolProfiles": [{"name": "one", "count": 1, "vmSize": "Standard_B2s", "mode": "System"}],
        },
    }
    cluster = operator.clusters.managed_clusters.begin_create_or_update(GROUP, "signing", body).result()
    trust = {"issuer": cluster.oidc_issuer_profile.issuer_url, "subject": "a", "audiences": [AUDIENCE]}
    identity = operator.identities.user_assigned_identities.create_or_update(GROUP, "signed", {"location": REGION})
    operator.identities.federated_identity_credentials.create_or_update(GROUP, "signed", "one", {"properties": trust})
    now = int(served.simulator.simulation.clock.seconds())
    claims = {"iss": trust["issuer"], "sub": "a", "aud": AUDIENCE, "iat": now, "exp": now + 600}
    (key,) = jwt.PyJWKClient(f"{trust['issuer']}openid/v1/jwks").get_signing_keys()
    assertion = jwt.encode(claims, "of nobody, and long enough for it", "HS256", {"kid": key.key_id})
    credential = ClientAssertionCredential(operator.tenant, identity.client_id, lambda: assertion)
    with pytest.raises(ClientAuthenticationError, match="AADSTS50013"):
        credential.get_token(f"{VAULT}/.default")


def application(**credential: Any) -> msal.ConfidentialClientApplication:
    """MSAL's own client, for what azure-identity does not let through."""
    authority = f"{LOGIN}/{os.environ['AZURE_TENANT_ID']}"
    return msal.ConfidentialClientApplication(os.environ["AZURE_CLIENT_ID"], authority=authority, **credential)


def test_msal_without_any_credential_is_told_that_it_needs_one(operator: Operator) -> None:
    answer = application().acquire_token_for_client([f"{VAULT}/.default"])
    assert (answer["error"], answer["error_codes"]) == ("invalid_client", [7000216])


def test_msal_without_a_scope_is_told_what_is_missing(operator: Operator) -> None:
    answer = application(client_credential=os.environ["AZURE_CLIENT_SECRET"]).acquire_token_for_client([])
    assert answer["error_codes"] == [900144]
    assert "must contain the following parameter: 'scope'" in answer["error_description"]


def test_msal_finds_a_token_under_every_name_of_the_authority(operator: Operator) -> None:
    """It asks which login hosts belong together before it looks into its cache."""
    cache = msal.SerializableTokenCache()
    secret = os.environ["AZURE_CLIENT_SECRET"]
    ours = application(client_credential=secret, token_cache=cache)
    assert "access_token" in ours.acquire_token_for_client([f"{VAULT}/.default"])
    ours.remove_tokens_for_client()
    assert list(cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN)) == []


@pytest.mark.parametrize("path", ["discovery/v2.0/keys", "discovery/keys"])
def test_a_service_verifies_an_access_token_by_the_keys_that_the_tenant_publishes(
    operator: Operator, path: str
) -> None:
    token = operator.credential.get_token(f"{MANAGEMENT}/.default").token
    published = jwt.PyJWKClient(f"{LOGIN}/{operator.tenant}/{path}")
    key = published.get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=MANAGEMENT)
    assert claims["oid"] == operator.object_id
