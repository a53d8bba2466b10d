"""What the SDKs raise, and what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
)
from azure.core.rest import HttpRequest
from kubernetes.aio.client import ApiException

from clients.errors import (
    CloudError,
    from_graph,
    translated,
)

CANARY = "eyJhbGciOiJSUzI1NiJ9.canary.signature"
NOISE = (
    " Trace ID: 5f0f1c2d-0000-0000-0000-000000000000 Correlation ID: 5f0f1c2d-0000-0000-0000-000000000001 "
    "Timestamp: 2025-01-01 00:00:00Z"
)


class Answer:
    """An HTTP answer as azure-core's exceptions read it, to a request that carries a token."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        self.status_code, self.reason = status, "Reason"
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.content_type = "application/json"
        self._text = body if isinstance(body, str) else json.dumps(body)
        self.request = HttpRequest("PUT", "https://x", headers={"Authorization": CANARY}, json={"value": CANARY})

    def text(self) -> str:
        """The body."""
        return self._text

    def body(self) -> bytes:
        """The body as it came."""
        return self._text.encode()


def azure(
    status: int, code: str = "", message: str = "No.", inner: str = "", kind: Any = HttpResponseError, **headers: str
) -> HttpResponseError:
    """What the Azure SDK raises for an error of a service."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    raised: HttpResponseError = kind(response=Answer(status, {"error": error}, **headers))
    return raised


def graph(
    status: int, code: str, message: str = "No.", details: tuple[str, ...] = (), headers: dict[str, str] | None = None
) -> CloudError:
    """What becomes of an answer of Graph."""
    error = {"code": code, "message": message, "details": [{"code": detail} for detail in details]}
    return from_graph("the thing", status, {"error": error}, headers or {})


def kubernetes(status: int, reason: str = "", message: str = "No.", headers: dict[str, str] | None = None) -> Any:
    """What the Kubernetes client raises."""
    body = json.dumps({"kind": "Status", "reason": reason, "message": message})
    error = ApiException(status=status, reason="HTTP reason", body=body)
    error.headers = headers
    return error


def translation(error: BaseException) -> CloudError:
    """What becomes of an SDK's exception; what Graph answers is read without one."""
    if isinstance(error, CloudError):
        return error
    with pytest.raises(CloudError) as raised, translated("the thing"):
        raise error
    assert raised.value.__cause__ is error
    assert raised.value.resource == "the thing"
    return raised.value
