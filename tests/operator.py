"""The operator of a simulated cloud, as its environment describes it, asking Entra for a token."""

from __future__ import annotations

from collections.abc import Mapping


def token_request(environment: Mapping[str, str], resource: str) -> tuple[str, dict[str, str]]:
    """Where to POST which form for a token that is good at ``resource``, a URI or a client id."""
    form = {
        "grant_type": "client_credentials",
        "client_id": environment["AZURE_CLIENT_ID"],
        "client_secret": environment["AZURE_CLIENT_SECRET"],
        "scope": f"{resource}/.default",
    }
    return f"https://login.microsoftonline.com/{environment['AZURE_TENANT_ID']}/oauth2/v2.0/token", form
