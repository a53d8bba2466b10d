"""The parts of a fleet have to fit together: references, names taken twice, budgets."""

from __future__ import annotations

from typing import Any

import pytest

from .worlds import a_fleet, aks, application, deployment, managed, vault, workload
from .wrong_fleets import wrongs_of

UNIQUE = "and a vault's name is the only one in all of Azure"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"workloads": [workload(clusters=["one", "two"])]},
            ["workloads[0].clusters[1]: there is no cluster two in this fleet, there is: one"],
        ),
        (
            {"workloads": [workload(identity="bot")]},
            ["workloads[0].identity: there is no identity bot in this fleet, there is: app"],
        ),
        (
            {"workloads": [workload(identity="App")]},
            ["workloads[0].identity: there is no identity App in this fleet, there is: app"],
        ),
        (
            {"identities": [application(access=[{"vault": "safe"}])]},
            ["identities[0].access[0].vault: there is no vault safe in this fleet, there is: vault"],
        ),
        ({"vaults": []}, ["identities[0].access[0].vault: there is no vault vault in this fleet, there is: none"]),
        (
            {"workloads": [workload(verify={"vault": "safe", "secret": "secret"})]},
            ["workloads[0].verify.vault: there is no vault safe in this fleet, there is: vault"],
        ),
        (
            {"workloads": [workload(verify={"vault": "vault", "secret": "key"})]},
            ["workloads[0].verify.secret: there is no secret of vault called key in this fleet, there is: secret"],
        ),
        (
            {"workloads": [workload(deployment=deployment(skip_containers=["side"]))]},
            ["workloads[0].deployment.skip_containers[0]: there is no container side in this fleet, there is: main"],
        ),
    ],
    ids=[
        "cluster",
        "identity",
        "identity in another case",
        "vault",
        "no vaults",
        "verify vault",
        "secret",
        "container",
    ],
)
def test_a_reference_into_the_void_tells_what_there_is(parts: dict[str, Any], expected: list[str]) -> None:
    assert wrongs_of(**parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"clusters": [aks(), aks()]},
            [
                "clusters[0].name: one is named more than once, also at clusters[1].name",
                "clusters[1].name: one is named more than once, also at clusters[0].name",
            ],
        ),
        (
            {"clusters": [aks(), aks("ONE")]},
            [
                "clusters[0].name: one is named more than once, also at clusters[1].name",
                "clusters[1].name: ONE is named more than once, also at clusters[0].name",
            ],
        ),
        (
            {"vaults": [vault(), vault()]},
            [
                f"vaults[{place}].name: vault is named more than once, also at vaults[{1 - place}].name, {UNIQUE}"
                for place in (0, 1)
            ],
        ),
        (
            {"vaults": [vault(), vault("Vault")]},
            [
                f"vaults[0].name: vault is named more than once, also at vaults[1].name, {UNIQUE}",
                f"vaults[1].name: Vault is named more than once, also at vaults[0].name, {UNIQUE}",
            ],
        ),
        (
            {"identities": [application(), managed("APP")]},
            [
                "identities[0].name: app is named more than once, also at identities[1].name",
                "identities[1].name: APP is named more than once, also at identities[0].name",
            ],
        ),
        ({"vaults": [vault(secrets=["secret", "secret"])]}, ["vaults[0].secrets: secret is named more than once"]),
        ({"vaults": [vault(secrets=["secret", "Secret"])]}, ["vaults[0].secrets: secret is named more than once"]),
        (
            {"identities": [application(access=[{"vault": "vault"}, {"vault": "vault", "secrets": ["list"]}])]},
            ["identities[0].access: vault is named more than once"],
        ),
        (
            {"workloads": [workload(), workload()]},
            ["workloads[1]: space/account on one is already workloads[0]: a ServiceAccount has one identity"],
        ),
        ({"workloads": [workload(clusters=["one", "one"])]}, ["workloads[0].clusters: one is named more than once"]),
        (
            {"workloads": [workload("a", deployment=deployment()), workload("b", deployment=deployment())]},
            ["workloads[1].deployment.name: web in space on one is of workloads[0]"],
        ),
        (
            {"workloads": [workload(deployment=deployment(containers=[{"name": "a", "image": "x"}] * 2))]},
            ["workloads[0].deployment.containers: a is named more than once"],
        ),
    ],
    ids=[
        "cluster",
        "cluster by case",
        "vault",
        "vault by case",
        "identity by case",
        "secret",
        "secret by case",
        "grant",
        "workload",
        "cluster of a workload",
        "deployment",
        "container",
    ],
)
def test_no_name_stands_twice(parts: dict[str, Any], expected: list[str]) -> None:
    assert wrongs_of(**parts) == expected


def test_one_deployment_name_may_stand_in_two_namespaces() -> None:
    a_fleet(workloads=[workload(deployment=deployment()), workload(namespace="room", deployment=deployment())])


def test_twenty_federated_credentials_fit_on_an_identity() -> None:
    assert len(a_fleet(workloads=[workload(f"a{number}") for number in range(20)]).workloads) == 20


def test_the_twenty_first_federated_credential_of_an_identity_is_one_too_many() -> None:
    mistakes = wrongs_of(workloads=[workload(f"a{number}") for number in range(21)])
    assert mistakes == [
        "identities[0]: app would need 21 federated credentials (21 workloads × 1 cluster: space/a0, space/a1, "
        "space/a2, ...), and an identity holds at most 20; set shards: 2, or divide its workloads among several "
        "identities"
    ]


def test_the_budget_counts_workloads_times_clusters() -> None:
    clusters = [aks(f"c{number}") for number in range(7)]
    names = [cluster["name"] for cluster in clusters]
    workloads = [workload(f"a{number}", clusters=names) for number in range(6)]
    (mistake,) = wrongs_of(clusters=clusters, workloads=workloads)
    assert (
        "would need 42 federated credentials (6 workloads × 7 clusters: space/a0, space/a1, space/a2, ...)" in mistake
    )
