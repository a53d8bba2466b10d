"""A container of Azure Blob Storage, as a place for small documents."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Container:
    """Blobs by name. Synchronous: Prefect keeps results from more than one event loop, and a client belongs to one.

    Signed in as the operator where no ``connection_string`` is given, which is a secret. Errors are those of the SDK.
    """

    def __init__(self, url: str, connection_string: str | None = None) -> None:
        self._url, self._connection_string = url.rstrip("/"), connection_string

    @cached_property
    def _client(self) -> ContainerClient:
        from azure.identity import DefaultAzureCredential
        from azure.storage.blob import ContainerClient, ExponentialRetry

        # Waits of some 1, 3 and 5 seconds: with the SDK's own, a run is silent for minutes where nothing is there.
        again = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3, random_jitter_range=1)
        if self._connection_string is not None:
            name = self._url.rpartition("/")[2]
            return ContainerClient.from_connection_string(self._connection_string, name, retry_policy=again)
        return ContainerClient.from_container_url(self._url, credential=DefaultAzureCredential(), retry_policy=again)

    def create(self) -> None:
        """Make the container, where it is not there yet."""
        from azure.core.exceptions import ResourceExistsError

        try:
            self._client.create_container()
        except ResourceExistsError:
            return

    def read(self, name: str) -> bytes:
        """The content of a blob."""
        content: bytes = self._client.download_blob(name).readall()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Make the blob this, all of it or nothing."""
        self._client.upload_blob(name, content, overwrite=True)

    def delete(self, name: str) -> None:
        """Delete a blob. One that is gone already is no error."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self._client.delete_blob(name)
        except ResourceNotFoundError:
            return
