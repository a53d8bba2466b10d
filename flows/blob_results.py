"""Prefect's results in Azure Blob Storage, for many machines: a storage block of our own.

prefect-azure has one, but allows no azure-mgmt-resource as new as the one that sets the fleet up. This one needs the
blob SDK alone (the extra ``many-machines``), and no secret where the worker runs under workload identity.
"""

from __future__ import annotations

import asyncio

from prefect.filesystems import WritableFileSystem
from pydantic import Field, PrivateAttr, SecretStr

from clients.blobs import Container


class AzureBlobResults(WritableFileSystem):
    """A container in which all machines keep their results. Made by ``python -m deployments.results``."""

    _block_type_name = "Azure Blob Results"
    _block_type_slug = "azure-blob-results"

    container_url: str = Field(
        title="Container", description="https://ACCOUNT.blob.core.windows.net/CONTAINER", pattern=r"^https?://.+/.+"
    )
    connection_string: SecretStr | None = Field(
        default=None,
        title="Connection string",
        description="Leave it out: workers sign in as the operator, who is Storage Blob Data Contributor there.",
    )
    _container: Container | None = PrivateAttr(default=None)

    @property
    def container(self) -> Container:
        """The container that is meant."""
        if self._container is None:
            secret = self.connection_string.get_secret_value() if self.connection_string else None
            self._container = Container(self.container_url, secret)
        return self._container

    async def read_path(self, path: str) -> bytes:
        """The document of this name."""
        return await asyncio.to_thread(self.container.read, path)

    async def write_path(self, path: str, content: bytes) -> None:
        """Keep the document."""
        await asyncio.to_thread(self.container.write, path, content)

    async def delete_path(self, path: str) -> None:
        """Forget the document."""
        await asyncio.to_thread(self.container.delete, path)
