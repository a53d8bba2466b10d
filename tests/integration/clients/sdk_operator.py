"""The Azure SDKs as anybody would use them, signed in as the operator whom the environment describes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Any, TypeVar

from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential, EnvironmentCredential
from azure.keyvault.secrets import SecretClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.features import FeatureClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

GROUP = "sysadminas-aks"
REGION = "westeurope"

Client = TypeVar("Client")


class Operator:
    """Each client is made when it is first used; all are closed together."""

    def __init__(self) -> None:
        self.subscription = os.environ["AZURE_SUBSCRIPTION_ID"]
        self.tenant = os.environ["AZURE_TENANT_ID"]
        self.object_id = "44444444-4444-4444-8444-444444444444"
        self.scope = f"/subscriptions/{self.subscription}"
        self.credential = EnvironmentCredential()
        self._closing = ExitStack()

    def __enter__(self) -> Operator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def _arm(self, client: Any) -> Any:
        """No retries: a refusal is what most tests are about."""
        return self._closing.enter_context(client(self.credential, self.subscription, retry_total=0))

    @cached_property
    def resources(self) -> ResourceManagementClient:
        """Groups, providers, whatever there is."""
        return self._arm(ResourceManagementClient)

    @cached_property
    def features(self) -> FeatureClient:
        """Preview features."""
        return self._arm(FeatureClient)

    @cached_property
    def clusters(self) -> ContainerServiceClient:
        """Managed clusters."""
        return self._arm(ContainerServiceClient)

    @cached_property
    def vaults(self) -> KeyVaultManagementClient:
        """Key vaults."""
        return self._arm(KeyVaultManagementClient)

    @cached_property
    def identities(self) -> ManagedServiceIdentityClient:
        """Managed identities."""
        return self._arm(ManagedServiceIdentityClient)

    @cached_property
    def authorization(self) -> AuthorizationManagementClient:
        """Roles."""
        return self._arm(AuthorizationManagementClient)

    @cached_property
    def subscriptions(self) -> SubscriptionClient:
        """Subscriptions and tenants."""
        return self._closing.enter_context(SubscriptionClient(self.credential, retry_total=0))

    def secrets(self, vault: str) -> SecretClient:
        """The secrets of a vault that goes by roles, which is made where there is none."""
        properties = {
            "tenantId": self.tenant,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
        }
        made = self.vaults.vaults.begin_create_or_update(GROUP, vault, {"location": REGION, "properties": properties})
        return self._closing.enter_context(
            SecretClient(made.result().properties.vault_uri, self.credential, retry_total=0)
        )

    def as_somebody(self, client_id: str, secret: str) -> ClientSecretCredential:
        """The credential of another program of the tenant."""
        return ClientSecretCredential(self.tenant, client_id, secret, retry_total=0)


def told(error: HttpResponseError) -> tuple[int | None, str | None]:
    """Status and code of a refusal, as the SDK has understood them."""
    return error.status_code, error.error.code if error.error else None
