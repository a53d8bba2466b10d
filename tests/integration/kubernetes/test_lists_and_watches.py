"""Lists by page, selector and revision; watches from a revision on."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from one_cluster import Api, OneCluster
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


@pytest.mark.parametrize(
    ("collection", "fields"),
    [
        ("configmaps", "metadata.name metadata.namespace"),
        (
            "pods",
            "metadata.name metadata.namespace spec.nodeName spec.serviceAccountName spec.hostNetwork status.phase "
            "status.podIP",
        ),
        (
            "events",
            "metadata.name involvedObject.kind involvedObject.name involvedObject.namespace involvedObject.uid reason "
            "type",
        ),
        ("secrets", "metadata.name type"),
        ("namespaces", "metadata.name status.phase"),
    ],
)
async def test_fields_that_can_be_selected_by(api: Api, collection: str, fields: str) -> None:
    for name in fields.split():
        assert names(await api.get(f"/api/v1/{collection}?fieldSelector={name}%3Dnobody-has-this")) == []
    unknown = await api.ask("GET", f"/api/v1/{collection}?fieldSelector=metadata.uid%3Dx")
    assert unknown.status_code == 400


async def test_field_selectors(api: Api, five: Cluster) -> None:
    assert names(await api.get(f"{SECRETS}?fieldSelector=metadata.name%3Ds3")) == ["s3"]
    assert names(await api.get(f"{SECRETS}?fieldSelector=type%21%3DOpaque")) == []


MATCH = 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
BAD_LISTS = [
    ("limit=1&continue=abc", 400, "invalid continue token: "),
    ("continue=abc&resourceVersion=5", 400, "specifying resource version is not allowed when using continue"),
    ("limit=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
    ("resourceVersionMatch=Exact", 422, MATCH),
    ("sendInitialEvents=true", 422, "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: "),
    ("watch=true&sendInitialEvents=true", 422, f"{MATCH}sendInitialEvents requires setting resourceVersionMatch to "
     "NotOlderThan"),
    ("watch=true&timeoutSeconds=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
]  # fmt: skip


@pytest.mark.parametrize(("query", "code", "message"), BAD_LISTS, ids=[row[0] for row in BAD_LISTS])
async def test_lists_and_watches_that_cannot_be(api: Api, query: str, code: int, message: str) -> None:
    response = await api.ask("GET", f"{SECRETS}?{query}")
    assert response.status_code == code
    assert response.json()["message"].startswith(message)


async def test_any_revision_is_a_whole_list(api: Api, five: Cluster) -> None:
    body = await api.get(f"{SECRETS}?limit=2&resourceVersion=0")
    assert names(body) == ["s0", "s1", "s2", "s3", "s4"]
    assert "continue" not in body["metadata"]
    assert names(await api.get(f"{SECRETS}?resourceVersion=1")) == names(body)


async def test_a_page_at_a_revision_shows_that_one(api: Api, five: Cluster) -> None:
    revision = five.store.revision
    five.remove("secrets", "s0", "f1")
    for query in (f"limit=9&resourceVersion={revision}", f"resourceVersion={revision}&resourceVersionMatch=Exact"):
        assert names(await api.get(f"{SECRETS}?{query}")) == ["s0", "s1", "s2", "s3", "s4"]


def restarted(five: Cluster) -> Api:
    """The API server after a restart, when it remembers no history, and one write more."""
    cluster = Cluster(five.state, five.clock)
    cluster.write("secrets", {"metadata": {"name": "s9", "namespace": "f1"}})
    return Api(OneCluster(cluster, five.clock))


@pytest.mark.parametrize("query", ["limit=2&resourceVersion=1", "resourceVersion=1&resourceVersionMatch=Exact"])
async def test_a_list_from_before_the_remembered_history_has_expired(five: Cluster, query: str) -> None:
    status = (await restarted(five).ask("GET", f"{SECRETS}?{query}")).json()
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"] == "The resourceVersion for the provided list is too old."
    assert (status["metadata"], "details" in status) == ({}, False)


@pytest.mark.parametrize("collection", [SECRETS, "/api/v1/secrets"])
async def test_an_expired_page_can_be_gone_on_with_from_the_present(api: Api, five: Cluster, collection: str) -> None:
    token = (await api.get(f"{collection}?limit=2"))["metadata"]["continue"]
    five.write("secrets", {"metadata": {"name": "s8", "namespace": "f1"}})
    restored = restarted(five)
    status = (await restored.ask("GET", f"{collection}?limit=2&continue={token}")).json()
    assert (status["code"], status["reason"]) == (410, "Expired")
    assert status["message"].startswith("The provided continue parameter is too old to display a consistent list")
    rest = await restored.get(f"{collection}?limit=9&continue={status['metadata']['continue']}")
    assert names(rest) == ["s2", "s3", "s4", "s8", "s9"]


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


NOBODY = "timeoutSeconds=1&fieldSelector=metadata.name%3Dnobody"
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


@pytest.mark.parametrize(
    ("path", "types"),
    [
        (f"{SECRETS}?watch=1&{NOBODY}&resourceVersion=99999999", []),
        (f"/api/v1/namespaces/nons/secrets?watch=1&{NOBODY}", []),
        (f"{SECRETS}?watch=1&{NOBODY}&{INITIAL}", []),
        (f"{SECRETS}?watch=1&{NOBODY}&{INITIAL}&allowWatchBookmarks=true", ["BOOKMARK"]),
        (f"{SECRETS}?watch=true&timeoutSeconds=1&resourceVersion=0", ["ADDED"] * 5),
        ("/api/v1/secrets?watch=true&timeoutSeconds=1", ["ADDED"] * 5),
        ("/api/v1/watch/namespaces/f1/secrets?timeoutSeconds=1", ["ADDED"] * 5),
    ],
)
async def test_what_a_watch_begins_with(api: Api, five: Cluster, path: str, types: list[str]) -> None:
    response = await api.ask("GET", path)
    events = [json.loads(line) for line in response.text.splitlines()]
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert [event["type"] for event in events] == types


async def test_a_single_object_is_not_watched_and_yaml_is_no_form_of_a_watch(api: Api, five: Cluster) -> None:
    assert (await api.get(f"{SECRETS}/s1?watch=true"))["kind"] == "Secret"
    assert (await api.ask("GET", f"{SECRETS}?watch=true", accept="application/yaml")).status_code == 406


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


async def test_a_held_object_is_modified_before_it_is_deleted(api: Api, five: Cluster) -> None:
    held = {"metadata": {"name": "held", "finalizers": ["ex.io/hold"]}}
    await five.create("secrets", held, namespace="f1")
    watcher = Watcher(five, f"resourceVersion={five.store.revision}")
    await api.ask("DELETE", f"{SECRETS}/held")
    kind, obj = await watcher.next()
    assert (kind, "deletionTimestamp" in obj["metadata"]) == ("MODIFIED", True)
    await api.merge(f"{SECRETS}/held", {"metadata": {"finalizers": None}})
    assert (await watcher.next())[0] == "DELETED"


async def test_bookmarks_come_shortly_before_the_end(api: Api, five: Cluster) -> None:
    query = "watch=true&timeoutSeconds=2&fieldSelector=metadata.name%3Dnobody&allowWatchBookmarks=true"
    bookmark = json.loads((await api.ask("GET", f"{SECRETS}?{query}")).text)
    metadata = {"resourceVersion": str(five.store.revision)}
    shape = {"kind": "Secret", "apiVersion": "v1", "metadata": metadata}
    assert bookmark == {"type": "BOOKMARK", "object": shape}


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


async def test_leaving_and_entering_a_selector(five: Cluster) -> None:
    watcher = Watcher(five, f"resourceVersion={five.store.revision}&labelSelector=parity%3Deven")
    five.write("secrets", {"metadata": {"name": "s0", "namespace": "f1", "labels": {"parity": "odd"}}})
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["labels"]) == ("DELETED", {"parity": "even"})
    assert obj["metadata"]["resourceVersion"] == str(five.store.revision)
    five.write("secrets", {"metadata": {"name": "s1", "namespace": "f1", "labels": {"parity": "even"}}})
    kind, obj = await watcher.next()
    assert (kind, obj["metadata"]["name"]) == ("ADDED", "s1")


@pytest.mark.parametrize("form", [Form(), Form("Table")])
async def test_a_watch_from_before_the_remembered_history_has_expired(five: Cluster, form: Form) -> None:
    restored = Cluster(five.state, five.clock)
    kind, status = await Watcher(restored, "resourceVersion=1", form).next()
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
