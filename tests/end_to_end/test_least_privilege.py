"""The worker's ClusterRole holds what a reconcile asks of a cluster, and nothing else: by all that was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from simulator.breakage import break_
from simulator.journal import Entry
from tests.conftest import DEMO_FLEET, ROOT, Cloud, running_cloud
from tests.end_to_end.command import PrefectApi, Terminal

pytestmark = [pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]
Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""
ON_BAD_DAYS: set[Right] = {("", "namespaces", "get")}
"""Waits for a namespace of the wanted name that is just going."""


def granted(file: str) -> set[Right]:
    """What the only ClusterRole of a manifest allows."""
    documents = yaml.safe_load_all((ROOT / "deployments" / "kubernetes" / file).read_text(encoding="utf-8"))
    (role,) = [one for one in documents if one["kind"] == "ClusterRole"]
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(entry: Entry) -> set[Right]:
    """What a request needs, as an API server's authorizer sees it. Discovery is everybody's."""
    parts = entry.path.strip("/").split("/")
    group, rest = (parts[1:2], parts[3:]) if parts[0] == "apis" else ([""], parts[2:])
    if not rest:
        return set()
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name, *sub = [*rest, ""][: max(len(rest), 2)]
    verbs = {"POST": {"create"}, "DELETE": {"delete"}, "GET": {"get" if name else "list"}, "PATCH": {"patch"}}
    made = {"create"} if entry.method == "PATCH" and entry.status == 201 else set()
    return {(group[0], "/".join([resource, *sub]), verb) for verb in verbs[entry.method] | made}


def asked(cloud: Cloud, since: int = 0) -> set[Right]:
    """What was asked of the cluster, by us."""
    (host,) = [cluster.state.fqdn for cluster in cloud.simulator.simulation.clusters.values()]
    entries: Iterable[Entry] = cloud.journal.entries[since:]
    return {right for entry in entries if entry.host == host for right in needed(entry)}


@dataclass
class Worked:
    """What a worker's day asked of its cluster."""

    reconciling: set[Right]
    healing: set[Right]
    pruning: set[Right]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worked(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worked]:
    """The demo's fleet with the add-on: set up, repaired, verified; then moved to another namespace."""
    folder = tmp_path_factory.mktemp("worked")
    content = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    content["clusters"][0] |= {"webhook": "addon", "preview_features": []}
    fleet, moved = folder / "fleet.yaml", folder / "moved.yaml"
    fleet.write_text(yaml.safe_dump(content), encoding="utf-8")
    content["workloads"][0]["namespace"] = "another-place"
    moved.write_text(yaml.safe_dump(content), encoding="utf-8")
    async with running_cloud(folder / "simulator") as cloud:
        terminal = Terminal(cloud, home)
        for command in ("reconcile", "verify"):
            done = await terminal.run(command, fleet, *(["--fresh"] if command == "verify" else []))
            assert done.code == 0, done.text
        await break_(cloud.simulator.simulation, "client-id-missing", "")
        assert (await terminal.run("reconcile", fleet)).code == 0
        reconciling, since = asked(cloud), len(cloud.journal.entries)
        await break_(cloud.simulator.simulation, "pods-older-than-annotation", "")
        done = await terminal.run("reconcile", fleet, "--heal")
        assert "restart" in done.text, done.text
        healing, since = asked(cloud, since), len(cloud.journal.entries)
        done = await terminal.run("reconcile", moved, "--prune")
        assert done.code == 0, done.text
        yield Worked(reconciling, healing, asked(cloud, since))


async def test_a_reconcile_needs_just_what_its_role_grants(worked: Worked) -> None:
    assert worked.reconciling - granted("permissions.yaml") == set()
    assert granted("permissions.yaml") - worked.reconciling == ON_BAD_DAYS


async def test_what_heals_needs_just_another_role(worked: Worked) -> None:
    """It restarts a Deployment here; the other kinds of owners take the same two verbs."""
    others = {("apps", kind, verb) for kind in ("statefulsets", "daemonsets") for verb in ("get", "patch")}
    assert (worked.healing - granted("permissions.yaml")) | others == granted("healing.yaml")


async def test_what_takes_away_needs_just_one_role_more(worked: Worked) -> None:
    more = worked.pruning - granted("permissions.yaml")
    lists = {right for right in more if right[2] == "list"}
    assert len(lists) > 5, "every kind in the namespace is looked at"
    assert more - lists | {("*", "*", "list")} == granted("pruning.yaml")
