"""Who holds access: the principals that are known from no list of ours, looked up in the directory."""

from __future__ import annotations

from collections.abc import Sequence

from clients.session import Clients
from fleet.observed import Observation

_AT_ONCE = 1000
"""Ids in one request (Microsoft Graph, directoryObject: getByIds)."""


async def observe(clients: Clients, ids: Sequence[str]) -> Observation:
    """Which of the principals are no more, by one request for a thousand.

    The directory leaves out of its answer whom it does not know; of whom we may not read it tells the id all the same
    (Microsoft Graph: limited information for inaccessible member objects). A deleted principal that can be restored
    counts as no more: it can do nothing.
    """
    vanished: list[str] = []
    for start in range(0, len(ids), _AT_ONCE):
        asked = ids[start : start + _AT_ONCE]

        async def look(asked: Sequence[str] = asked) -> list[str]:
            answer = await clients.graph.create(
                "the principals with access to the vaults", "/directoryObjects/getByIds", {"ids": list(asked)}
            )
            return [item["id"].lower() for item in answer.get("value") or ()]

        known = set(await clients.patience.request(look))
        vanished += [principal for principal in asked if principal.lower() not in known]
    return Observation(vanished=tuple(vanished))
