"""Microsoft Graph by its SDK, with our waiting instead of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.headers_collection import HeadersCollection
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_http.middleware.options import RetryHandlerOption
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph_core import GraphClientFactory

from .errors import translated
from .waiting import Patience

if TYPE_CHECKING:
    import httpx
    from azure.core.credentials_async import AsyncTokenCredential

_HOST = "graph.microsoft.com"


def graph_adapter(credential: AsyncTokenCredential, client: httpx.AsyncClient) -> GraphRequestAdapter:
    """What the SDK's clients of Graph send through, as ``credential``, over ``client``."""
    client.base_url = f"https://{_HOST}/v1.0"
    without_retries = {**options, RetryHandlerOption.get_key(): RetryHandlerOption(should_retry=False)}
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=[f"https://{_HOST}/.default"], allowed_hosts=[_HOST], is_cae_enabled=False
    )
    http = GraphClientFactory.create_with_default_middleware(client=client, options=without_retries)
    return GraphRequestAdapter(provider, client=http)


def asking(query: object | None = None, **headers: str) -> RequestConfiguration:  # type: ignore[type-arg]
    """A request configuration with these query parameters and headers (underscores stand for dashes)."""
    collection = HeadersCollection()
    for name, value in headers.items():
        collection.add(name.replace("_", "-"), value)
    return RequestConfiguration(query_parameters=query, headers=collection)


async def everything(patience: Patience, what: str, builder: Any, query: object | None = None) -> list[Any]:
    """All items of a Graph collection, page by page; ``what`` names it in errors."""
    items: list[Any] = []

    async def page() -> Any:
        with translated(what):
            return await builder.get(request_configuration=asking(query))

    while (answer := await patience.request(page)) is not None:
        items += answer.value or []
        if not answer.odata_next_link:
            break
        builder, query = builder.with_url(answer.odata_next_link), None
    return items
