"""Microsoft Graph: the few verbs that the chain needs, on plain objects, and what is asked at the same time in one go.

By azure-core and not by Graph's own SDK: its models import a thousand modules for every object that they read (6 ms
each, 20 s for the applications of 1,000 workloads), and its builders for alternate keys share their parameters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from azure.core import AsyncPipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, ContentDecodePolicy, HeadersPolicy
from azure.core.rest import HttpRequest

from .errors import from_graph, translated
from .pace import TOO_MANY_REQUESTS, Pace
from .waiting import Patience

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport
    from azure.core.rest import AsyncHttpResponse

_HOST = "graph.microsoft.com"
_URL = f"https://{_HOST}/v1.0"
_SCOPE = f"https://{_HOST}/.default"
_STEPS = 20
"""The most requests that Graph takes in one ``$batch``."""
_ALONE = 4
"""Requests that go their own way at the same time; what comes while they do shares one."""
_WINDOW = 0.005
"""Seconds for which a request waits for others to share its way."""

Json = dict[str, Any]


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    body: Json | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Json


_Batch = list[tuple[_Request, asyncio.Future[_Answer]]]


class Graph:
    """The directory as ``credential`` sees it. ``what`` names an object in errors, which are ``CloudError``."""

    def __init__(
        self, credential: AsyncTokenCredential, transport: AioHttpTransport, patience: Patience, pace: Pace
    ) -> None:
        self._patience, self._width = patience, pace.of(_HOST)
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] = AsyncPipelineClient(
            _URL,
            transport=transport,
            policies=[
                HeadersPolicy(),
                AsyncBearerTokenCredentialPolicy(credential, _SCOPE),
                ContentDecodePolicy(),
            ],
        )
        self._waiting: _Batch = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._alone = 0

    async def get(self, what: str, path: str) -> Json:
        """One object. ``Missing`` where there is none, or none yet."""
        return await self._call(what, _Request("GET", path, None, {}))

    async def list(self, what: str, path: str, **query: str | int) -> list[Json]:
        """All objects of a collection, page by page; ``query`` without the ``$``. Repeated in bad weather."""
        found: list[Json] = []
        options = "&".join(f"${name}={quote(str(value), safe='/(),$')}" for name, value in query.items())
        url: str | None = f"{_URL}{path}" + (f"?{options}" if options else "")
        while url is not None:

            async def page(url: str = url) -> Json:
                with translated(what):
                    return _checked(what, await self._send(_Request("GET", url, None, {})))

            answer = await self._patience.request(page)
            found += answer.get("value") or []
            url = answer.get("@odata.nextLink")
        return found

    async def create(self, what: str, path: str, body: Json) -> Json:
        """POST to a collection or action; the answer."""
        return await self._call(what, _Request("POST", path, body, {}))

    async def update(self, what: str, path: str, body: Json, **headers: str) -> Json:
        """PATCH; the answer, mostly empty. With ``Prefer="create-if-missing"`` and an alternate key it is an upsert."""
        return await self._call(what, _Request("PATCH", path, body, headers))

    async def delete(self, what: str, path: str) -> None:
        """Delete one object. ``Missing`` where it is gone already."""
        await self._call(what, _Request("DELETE", path, None, {}))

    async def _call(self, what: str, request: _Request) -> Json:
        with translated(what):
            return _checked(what, await self._together(request))

    async def _together(self, request: _Request) -> _Answer:
        """Send at once where few are under way, else with what else comes in a moment."""
        if self._alone < _ALONE and not self._under_way and not self._waiting:
            self._alone += 1
            try:
                return await self._send(request)
            finally:
                self._alone -= 1
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Answer] = loop.create_future()
        if not self._waiting:
            loop.call_later(_WINDOW, self._flush)
        self._waiting.append((request, future))
        if len(self._waiting) >= _STEPS:
            self._flush()
        return await future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:_STEPS], self._waiting[_STEPS:]
        batch = [(request, future) for request, future in batch if not future.done()]
        if batch:
            task = asyncio.get_running_loop().create_task(self._settle(batch))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _settle(self, batch: _Batch) -> None:
        """Send a batch and tell everybody their own answer; what befalls the batch befalls each."""
        try:
            if len(batch) == 1:
                answers: Sequence[_Answer] = [await self._send(batch[0][0])]
            else:
                answers = await self._send_batch([request for request, _ in batch])
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    async def _send_batch(self, requests: Sequence[_Request]) -> Sequence[_Answer]:
        steps = [_step(number, request) for number, request in enumerate(requests)]
        narrowed = self._width.narrowed
        answer = await self._send(_Request("POST", "/$batch", {"requests": steps}, {}))
        if answer.status >= 400:
            return [answer] * len(requests)
        by_id = {one["id"]: one for one in answer.body["responses"]}
        if any(
            one["status"] == TOO_MANY_REQUESTS for one in by_id.values()
        ):  # told in the steps of a batch that is 200
            self._width.answered(TOO_MANY_REQUESTS, narrowed)
        return [
            _Answer(one["status"], one.get("headers") or {}, one.get("body") or {})
            for one in (by_id[str(number)] for number in range(len(requests)))
        ]

    async def _send(self, request: _Request) -> _Answer:
        url = request.path if request.path.startswith("https://") else _URL + request.path
        sent = HttpRequest(request.method, url, json=request.body, headers=dict(request.headers))
        answer = await self._client.send_request(sent)
        try:
            body = answer.json() if answer.content else {}
        except ValueError as error:
            raise HttpResponseError(message="the answer is no JSON", response=answer) from error
        return _Answer(answer.status_code, answer.headers, body if isinstance(body, dict) else {})


def _step(number: int, request: _Request) -> Json:
    step: Json = {"id": str(number), "method": request.method, "url": request.path}
    headers = dict(request.headers)
    if request.body is not None:
        step["body"] = request.body
        headers["Content-Type"] = "application/json"
    return {**step, "headers": headers} if headers else step


def _checked(what: str, answer: _Answer) -> Json:
    if answer.status >= 400:
        raise from_graph(what, answer.status, answer.body, answer.headers)
    return answer.body
