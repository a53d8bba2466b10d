"""Lists by page, selector and revision; watches from a revision on."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from one_cluster import Api
from starlette.datastructures import QueryParams

from simulator.kubernetes.cluster import Cluster
from simulator.kubernetes.negotiation import Form
from simulator.kubernetes.resources import by_key
from simulator.kubernetes.watch import Watch, stream

N = "/api/v1/namespaces/f1"
SECRETS = f"{N}/secrets"


@pytest.fixture
async def five(cluster: Cluster) -> Cluster:
    """Secrets s0 to s4; the even ones are labelled even."""
    for index in range(5):
        labels = {"parity": "odd" if index % 2 else "even"}
        await cluster.create("secrets", {"metadata": {"name": f"s{index}", "labels": labels}}, namespace="f1")
    return cluster


def names(body: dict[str, Any]) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


async def test_items_of_a_list_carry_no_kind(api: Api, five: Cluster) -> None:
    body = await api.get(SECRETS)
    assert list(body) == ["kind", "apiVersion", "metadata", "items"]
    assert (body["kind"], body["metadata"]) == ("SecretList", {"resourceVersion": str(five.store.revision)})
    assert "kind" not in body["items"][0]


async def test_pages_show_the_state_of_the_first_one(api: Api, five: Cluster) -> None:
    first = await api.get(f"{SECRETS}?limit=2")
    assert names(first) == ["s0", "s1"]
    assert first["metadata"]["remainingItemCount"] == 3
    token = first["metadata"]["continue"]
    version = int(first["metadata"]["resourceVersion"])
    decoded = json.loads(base64.urlsafe_b64decode(token + "=="))
    assert decoded == {"v": "meta.k8s.io/v1", "rv": version, "start": "/s1\0"}
    await five.create("secrets", {"metadata": {"name": "s2a"}}, namespace="f1")
    five.remove("secrets", "s4", "f1")
    rest = await api.get(f"{SECRETS}?limit=10&continue={token}")
    assert names(rest) == ["s2", "s3", "s4"]
    assert rest["metadata"] == {"resourceVersion": str(version)}


async def test_pages_go_across_namespaces(api: Api, five: Cluster) -> None:
    seen, token = [], ""
    while True:
        page = await api.get(f"/api/v1/serviceaccounts?limit=2&continue={token}")
        seen += [item["metadata"]["namespace"] for item in page["items"]]
        if not (token := page["metadata"].get("continue", "")):
            break
    assert seen == ["default", "f1", "kube-node-lease", "kube-public", "kube-system"]


async def test_a_selected_page_does_not_count_the_rest(api: Api, five: Cluster) -> None:
    page = await api.get(f"{SECRETS}?limit=1&labelSelector=parity%3Deven")
    assert names(page) == ["s0"]
    assert "remainingItemCount" not in page["metadata"]
    rest = await api.get(f"{SECRETS}?labelSelector=parity%3Deven&continue={page['metadata']['continue']}")
    assert names(rest) == ["s2", "s4"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("parity=even", "s0 s2 s4"),
        ("parity==odd", "s1 s3"),
        ("parity!=even", "s1 s3"),
        ("parity in (even, odd)", "s0 s1 s2 s3 s4"),
        ("parity notin (even)", "s1 s3"),
        ("parity", "s0 s1 s2 s3 s4"),
        ("!parity", ""),
        ("parity=odd,other!=x", "s1 s3"),
    ],
)
async def test_label_selectors(api: Api, five: Cluster, selector: str, expected: str) -> None:
    response = await api.http.get(SECRETS, params={"labelSelector": selector})
    assert names(response.json()) == expected.split()


async def test_field_selectors(api: Api, five: Cluster) -> None:
    assert names(await api.get(f"{SECRETS}?fieldSelector=metadata.name%3Ds3")) == ["s3"]
    assert names(await api.get(f"{SECRETS}?fieldSelector=type%21%3DOpaque")) == []


async def test_a_list_in_a_missing_namespace_is_empty(api: Api) -> None:
    assert names(await api.get("/api/v1/namespaces/nons/secrets")) == []


async def test_a_list_at_a_future_revision_times_out(api: Api, five: Cluster) -> None:
    response = await api.ask("GET", f"{SECRETS}?resourceVersion=99999999&resourceVersionMatch=NotOlderThan")
    assert response.status_code == 504
    assert response.headers["retry-after"] == "1"
    assert response.json()["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_watch_answers_one_document_per_line(api: Api, five: Cluster) -> None:
    response = await api.ask("GET", f"{SECRETS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Ds1")
    events = [json.loads(line) for line in response.text.splitlines()]
    assert response.headers["content-type"] == "application/json"
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [("ADDED", "s1")]
    assert events[0]["object"]["kind"] == "Secret"


class Watcher:
    """A watch on secrets of f1 from inside the process, so that a test can write between its events."""

    def __init__(self, cluster: Cluster, query: str, form: Form | None = None) -> None:
        watch = Watch.of(by_key("secrets"), "f1", QueryParams(query), form or Form())
        self._frames: AsyncIterator[bytes] = stream(cluster, watch)

    async def next(self) -> tuple[str, dict[str, Any]]:
        event = json.loads(await asyncio.wait_for(anext(self._frames), 5))
        return event["type"], event["object"]


async def test_a_watch_from_a_revision_shows_what_came_after(five: Cluster) -> None:
    version = five.store.revision
    five.write("secrets", {"metadata": {"name": "s1", "namespace": "f1", "labels": {"new": "1"}}})
    watcher = Watcher(five, f"resourceVersion={version}")
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["name"], obj["metadata"]["labels"]) == ("MODIFIED", "s1", {"new": "1"})
    five.remove("secrets", "s2", "f1")
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["name"]) == ("DELETED", "s2")
    assert obj["metadata"]["resourceVersion"] == str(five.store.revision)


async def test_a_write_that_changes_nothing_is_no_event(five: Cluster) -> None:
    before = five.store.revision
    five.write("secrets", five.get("secrets", "s1", "f1") or {})
    assert five.store.revision == before


async def test_initial_events_end_with_a_bookmark(five: Cluster) -> None:
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    watcher = Watcher(five, f"{query}&labelSelector=parity%3Dodd")
    assert [(await watcher.next())[0] for _ in range(2)] == ["ADDED", "ADDED"]
    kind, obj = await watcher.next()
    assert kind == "BOOKMARK"
    assert obj["metadata"] == {
        "resourceVersion": str(five.store.revision),
        "annotations": {"k8s.io/initial-events-end": "true"},
    }


async def test_initial_events_need_their_match(api: Api) -> None:
    response = await api.ask("GET", f"{SECRETS}?watch=true&sendInitialEvents=true")
    assert response.status_code == 422
    assert "requires setting resourceVersionMatch to NotOlderThan" in response.json()["message"]


async def test_leaving_and_entering_a_selector(five: Cluster) -> None:
    watcher = Watcher(five, f"resourceVersion={five.store.revision}&labelSelector=parity%3Deven")
    five.write("secrets", {"metadata": {"name": "s0", "namespace": "f1", "labels": {"parity": "odd"}}})
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["labels"]) == ("DELETED", {"parity": "even"})
    assert obj["metadata"]["resourceVersion"] == str(five.store.revision)
    five.write("secrets", {"metadata": {"name": "s1", "namespace": "f1", "labels": {"parity": "even"}}})
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["name"]) == ("ADDED", "s1")


async def test_a_watch_from_before_the_remembered_history_has_expired(five: Cluster) -> None:
    restored = Cluster(five.state, five.clock)
    kind, status = await Watcher(restored, "resourceVersion=1").next()
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    assert status["message"] == f"too old resource version: 1 ({five.store.revision})"


async def test_a_table_watch_heads_only_its_first_event(five: Cluster) -> None:
    watcher = Watcher(five, "", Form("Table"))
    first, second = (await watcher.next())[1], (await watcher.next())[1]
    assert [column["name"] for column in first["columnDefinitions"]] == ["Name", "Type", "Data", "Age"]
    assert second["columnDefinitions"] is None
    assert second["rows"][0]["cells"][:3] == ["s1", "Opaque", 0]


async def test_deleting_a_collection_answers_what_was_deleted(api: Api, five: Cluster) -> None:
    response = await api.ask("DELETE", f"{SECRETS}?labelSelector=parity%3Dodd")
    assert (response.status_code, names(response.json())) == (200, ["s1", "s3"])
    assert [obj["metadata"]["name"] for obj in five.list("secrets", "f1")] == ["s0", "s2", "s4"]
