"""The smallest application that uses its workload identity: it reads a secret from Key Vault, again and again.

It holds no credential of its own. The admission webhook gave its pod three things that the Azure SDK reads by itself:
AZURE_CLIENT_ID and AZURE_TENANT_ID say who it is, AZURE_FEDERATED_TOKEN_FILE names a file with the pod's own service
account token, which the cluster renews and Entra accepts in exchange for an access token.

Tell it where to look: KEYVAULT_URL (or KEYVAULT_NAME) and SECRET_NAME.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from azure.core.exceptions import AzureError
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

READ_AGAIN_SECONDS = 30.0
RETRY_SECONDS = 5.0


def vault_url() -> str:
    """The vault's address from KEYVAULT_URL, or made from KEYVAULT_NAME."""
    return os.environ.get("KEYVAULT_URL") or f"https://{os.environ['KEYVAULT_NAME']}.vault.azure.net"


def masked(value: str) -> str:
    """What may be shown of a secret: that it is there, and how long it is."""
    return f"{'*' * 8} ({len(value)} characters)"


def read_once(client: SecretClient, name: str) -> float:
    """Read the secret and say so; how many seconds to wait before the next time.

    A new identity, its federated credential and its permissions take a while to be known everywhere, so a refusal is
    no reason to give up.
    """
    try:
        secret = client.get_secret(name)
    except AzureError as error:
        reason = str(error).strip().splitlines()[0]
        print(f"not yet: {reason} (again in {RETRY_SECONDS:.0f} s)", flush=True)
        return RETRY_SECONDS
    print(f"read secret {name!r} from {client.vault_url}: {masked(secret.value or '')}", flush=True)
    return READ_AGAIN_SECONDS


def main() -> None:
    """Read the secret until the pod is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        url, name = vault_url(), os.environ["SECRET_NAME"]
    except KeyError as missing:
        sys.exit(f"set {missing.args[0]}: this application needs KEYVAULT_URL or KEYVAULT_NAME, and SECRET_NAME")
    try:
        credential = WorkloadIdentityCredential()
    except ValueError as error:
        sys.exit(f"no workload identity in this pod: {error}")
    print(f"client {os.environ['AZURE_CLIENT_ID']} of tenant {os.environ['AZURE_TENANT_ID']}", flush=True)
    with SecretClient(url, credential) as client:
        while True:
            time.sleep(read_once(client, name))


if __name__ == "__main__":
    main()
