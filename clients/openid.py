"""OpenID documents, as anybody can read them who knows their address: without signing in."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from azure.core import AsyncPipelineClient
from azure.core.rest import HttpRequest

from .errors import CloudError, Invalid, made, translated

if TYPE_CHECKING:
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.core.rest import AsyncHttpResponse

WELL_KNOWN = "/.well-known/openid-configuration"
ENTRA = "https://login.microsoftonline.com"


@dataclass(frozen=True)
class Answer:
    """A document, and what time its server took it for."""

    content: dict[str, Any]
    at: datetime | None


async def fetch(transport: AioHttpTransport, url: str) -> Answer:
    """A JSON document. Raises ``CloudError`` where it cannot be read, and ``Invalid`` where it is none."""
    client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
        url, transport=transport, policies=[]
    )
    with translated(url):
        answer = await client.send_request(HttpRequest("GET", url, headers={"Accept": "application/json"}))
    if answer.status_code != 200:
        raise made(url, answer.status_code, "", f"HTTP {answer.status_code}", headers=dict(answer.headers))
    try:
        content = json.loads(answer.content)
    except ValueError as error:
        raise _no_document(url) from error
    if not isinstance(content, dict):
        raise _no_document(url)
    at = None
    with suppress(ValueError, TypeError):
        at = parsedate_to_datetime(answer.headers.get("Date", ""))
    return Answer(content, at)


def _no_document(url: str) -> CloudError:
    return Invalid(url, "it is no JSON document", code="NoDocument")
