"""A person in front of Prefect's UI, which asks its API for all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from tests.end_to_end.command import PrefectApi, eventually

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


@dataclass
class Person:
    """What can be done there."""

    api: PrefectApi
    patience: ClassVar[float] = 90
    """How long to wait for what a run does next, in seconds."""

    async def press_run(self, deployment: str, **parameters: Any) -> httpx.Response:
        """Fill the form of a deployment (FLOW/NAME) and press Run."""
        found = await self.api.get(f"/deployments/name/{deployment}")
        given = {**found["parameters"], **parameters}
        return await self.post(f"/deployments/{found['id']}/create_flow_run", {"parameters": given})

    async def begun(self, deployment: str, **parameters: Any) -> str:
        """The id of a run that was begun so."""
        answer = await self.press_run(deployment, **parameters)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["id"])

    async def ended(self, run: str) -> dict[str, Any]:
        """The state that a run ends in."""
        return await self._once(run, lambda state: state["type"] in ENDED, "end")

    async def asking(self, run: str) -> dict[str, Any]:
        """The state of a run that waits for an answer."""
        return await self._once(run, lambda state: state["type"] in {"PAUSED", *ENDED}, "question")

    async def answer(self, run: str, **answer: Any) -> None:
        """Fill the form of a run that waits, and send it."""
        response = await self.post(f"/flow_runs/{run}/resume", {"run_input": answer})
        assert response.json().get("status") == "ACCEPT", response.text

    async def post(self, path: str, body: Any) -> httpx.Response:
        """POST below /api; see :meth:`send`."""
        return await self.send("POST", path, body)

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request below /api; as the UI does, again while the server's SQLite is busy."""

        async def send() -> httpx.Response | None:
            answer = await client.request(method, f"{self.api.url}{path}", json=body)
            return answer if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE else None

        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return await eventually(send, f"an answer to {path}")

    async def _once(self, run: str, wanted: Any, what: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            state: dict[str, Any] = (await self.api.get(f"/flow_runs/{run}"))["state"]
            return state if wanted(state) else None

        return await eventually(look, f"the {what} of run {run}", seconds=self.patience)
