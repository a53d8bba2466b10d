"""A wrong fleet file yields all that is wrong with it at once: each mistake with its place and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.files import Mistake, load
from fleet.spec import Check, Fleet

from .worlds import a_fleet, aks, application, deployment, elsewhere, fleet_data, managed, vault, workload
from .wrong_fleets import wrongs, wrongs_of

DNS_LABEL = "1 to 63 lower-case letters, digits, dashes, a letter or digit at both ends"
DNS_SUBDOMAIN = "1 to 253 lower-case letters, digits, dashes, dots, a letter or digit at both ends"
RESOURCE = "1 to 90 letters, digits, dots, dashes, underscores, parentheses"
VAULT = "3 to 24 letters, digits, dashes; starts with a letter, ends with a letter or digit, no --"
DISPLAY = "1 to 90 characters without quotes, slashes, colons"
ISSUER = "issuer must be an https:// URL without white space"


def test_the_demo_fleet_loads() -> None:
    text = (Path(__file__).parents[2] / "deployments" / "demo" / "fleet.yaml").read_text(encoding="utf-8")
    fleet = load(text)
    assert fleet.check(fleet.workloads[0]) == Check(vault="sysadminas-demo-kv", secret="sysadminas-demo-kv-secret")


def test_a_right_file_loads_as_its_fleet() -> None:
    assert load(yaml.safe_dump(fleet_data())) == a_fleet()


# The text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty: a fleet has name, subscription, clusters, ..."),
        ("# only a comment\n", "the file is empty: a fleet has name, subscription, clusters, ..."),
        ("- name: x\n", "a fleet is a mapping with name, subscription, clusters, ..."),
        ("just words", "a fleet is a mapping with name, subscription, clusters, ..."),
        ("name: 'open", "line 1: this is not YAML: found unexpected end of stream"),
        ("name: a\nname: b\n", "line 2: this is not YAML: name stands twice here"),
        ("clusters:\n- name: a\n  context: x\n  name: b\n", "line 4: this is not YAML: name stands twice here"),
        ("clusters:\n\t- name: a\n", "line 2: this is not YAML: found character that cannot start any token"),
        ("? [a, b]\n: c\n", "line 1: this is not YAML: a key must be a word"),
        ("name: a\n---\nname: b\n", "line 2: this is not YAML: but found another document"),
        ("name: 2024-13-45\n", "this is not YAML: month must be in 1..12"),
        ("&all [*all]", "line 1: this is not YAML: an alias stands within what it stands for"),
    ],
    ids=[
        "empty",
        "only a comment",
        "a list",
        "a word",
        "an open quote",
        "a duplicate key",
        "a duplicate key further in",
        "a tab",
        "a key that is a list",
        "two documents",
        "a date that there is not",
        "a list within itself",
    ],
)
def test_a_text_that_is_no_fleet_says_what_it_is_instead(text: str, expected: str) -> None:
    assert wrongs(text) == [expected]


def test_nesting_without_end_is_a_mistake_and_no_crash() -> None:
    assert wrongs("[" * 20_000) == ["line 1: this is not YAML: it is nested more than 50 times"]


def test_characters_that_cannot_be_in_yaml_are_a_mistake() -> None:
    (mistake,) = wrongs("name: \x00")
    assert mistake.startswith("this is not YAML: unacceptable character #x0000")


def test_keys_that_are_no_words_are_mistakes() -> None:
    assert "[1]: Keys should be strings" in wrongs("1: 2")


def test_yamls_anchors_and_merge_keys_can_be_used() -> None:
    text = yaml.safe_dump(fleet_data(workloads=[]))
    text = text.replace("workloads: []", "workloads:\n- &first {namespace: a, service_account: b, clusters: [one], ")
    text += "    identity: app}\n- {<<: *first, service_account: c}\n"
    assert [str(workload) for workload in load(text).workloads] == ["a/b", "a/c"]


# One part of it


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"colour": "red"}, ["colour: there is no such field"]),
        ({"clusters": [aks(region="x")]}, ["clusters[0].region: there is no such field"]),
        ({"name": None}, ["name: Input should be a valid string"]),
        ({"subscription": 12}, ["subscription: Input should be a valid string"]),
        ({"subscription": ""}, ["subscription: String should have at least 1 character"]),
        ({"adopt": "maybe"}, ["adopt: Input should be a valid boolean, unable to interpret input"]),
        ({"identities": [], "workloads": []}, ["identities: give at least one", "workloads: give at least one"]),
        ({"workloads": None}, ["workloads: give a list"]),
        ({"clusters": {"name": "one"}}, ["clusters: give a list"]),
        ({"clusters": [None]}, ["clusters[0]: give a mapping of fields"]),
        ({"clusters": ["one"]}, ["clusters[0]: give a mapping of fields"]),
        ({"workloads": "all"}, ["workloads: give a list"]),
        ({"workloads": [[workload()]]}, ["workloads[0]: give a mapping of fields"]),
        ({"workloads": [workload(clusters=[])]}, ["workloads[0].clusters: give at least one"]),
        ({"workloads": [workload(clusters="one")]}, ["workloads[0].clusters: give a list"]),
        ({"workloads": [workload(namespace=None)]}, ["workloads[0].namespace: Input should be a valid string"]),
        (
            {"workloads": [workload(token_expiration=60)]},
            ["workloads[0].token_expiration: Input should be greater than or equal to 3600"],
        ),
        (
            {"workloads": [workload(token_expiration=86401)]},
            ["workloads[0].token_expiration: Input should be less than or equal to 86400"],
        ),
        (
            {"workloads": [workload(deployment=deployment(containers=[]))]},
            ["workloads[0].deployment.containers: give at least one"],
        ),
        (
            {"workloads": [workload(deployment=deployment(replicas=-1))]},
            ["workloads[0].deployment.replicas: Input should be greater than or equal to 0"],
        ),
        (
            {"workloads": [workload(deployment=deployment(containers=[{"name": "a", "image": ""}]))]},
            ["workloads[0].deployment.containers[0].image: String should have at least 1 character"],
        ),
        (
            {"workloads": [workload(deployment=deployment(containers=[{"name": "a", "image": "i", "env": {"N": 1}}]))]},
            ["workloads[0].deployment.containers[0].env.N: Input should be a valid string"],
        ),
        (
            {"identities": [application(kind="robot")]},
            ["identities[0].kind: Input should be 'application' or 'managed-identity'"],
        ),
        (
            {"identities": [application(access=[{"vault": "vault", "secrets": ["set"]}])]},
            ["identities[0].access[0].secrets[0]: Input should be 'get' or 'list'"],
        ),
        (
            {"vaults": [vault(authorization="both")]},
            ["vaults[0].authorization: Input should be 'access-policy' or 'rbac'"],
        ),
        (
            {"vaults": [vault(soft_deleted="purge")]},
            ["vaults[0].soft_deleted: Input should be 'refuse' or 'recover'"],
        ),
        ({"clusters": [aks(webhook="none")]}, ["clusters[0].webhook: Input should be 'addon' or 'chart'"]),
    ],
    ids=lambda value: " / ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_value_says_what_is_allowed(parts: dict[str, Any], expected: list[str]) -> None:
    assert wrongs_of(**parts) == expected


def test_every_missing_field_is_named() -> None:
    assert wrongs("adopt: true") == [
        f"{field}: this field is missing" for field in ("name", "subscription", "clusters", "identities", "workloads")
    ]


@pytest.mark.parametrize(
    ("parts", "path", "value", "allowed"),
    [
        ({"name": "My_Fleet"}, "name", "My_Fleet", "1 to 40 lower-case letters, digits, dashes, a letter or digit at"),
        ({"clusters": [aks("a b")]}, "clusters[0].name", "a b", RESOURCE),
        ({"clusters": [aks(resource_group="ends.")]}, "clusters[0].resource_group", "ends.", RESOURCE),
        ({"vaults": [vault("x")]}, "vaults[0].name", "x", VAULT),
        ({"vaults": [vault("1abc")]}, "vaults[0].name", "1abc", VAULT),
        ({"vaults": [vault("a--b")]}, "vaults[0].name", "a--b", VAULT),
        ({"vaults": [vault("a" * 25)]}, "vaults[0].name", "a" * 25, VAULT),
        ({"vaults": [vault(location="West Europe")]}, "vaults[0].location", "West Europe", "Azure's short name of"),
        ({"vaults": [vault(secrets=["a_b"])]}, "vaults[0].secrets[0].name", "a_b", "1 to 127 letters, digits, dashes"),
        ({"identities": [application("it's")]}, "identities[0].name", "it's", DISPLAY),
        ({"identities": [application(" app")]}, "identities[0].name", " app", DISPLAY),
        ({"workloads": [workload(namespace="Space")]}, "workloads[0].namespace", "Space", DNS_LABEL),
        ({"workloads": [workload(namespace="a.b")]}, "workloads[0].namespace", "a.b", DNS_LABEL),
        ({"workloads": [workload(namespace="a" * 64)]}, "workloads[0].namespace", "a" * 64, DNS_LABEL),
        ({"workloads": [workload("-a")]}, "workloads[0].service_account", "-a", DNS_SUBDOMAIN),
        ({"workloads": [workload("a:b")]}, "workloads[0].service_account", "a:b", DNS_SUBDOMAIN),
        (
            {"workloads": [workload(deployment=deployment("Web"))]},
            "workloads[0].deployment.name",
            "Web",
            DNS_SUBDOMAIN,
        ),
        (
            {"workloads": [workload(deployment=deployment(containers=[{"name": "a_b", "image": "i"}]))]},
            "workloads[0].deployment.containers[0].name",
            "a_b",
            DNS_LABEL,
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value[:40],
)
def test_a_bad_name_says_what_a_good_one_is(parts: dict[str, Any], path: str, value: str, allowed: str) -> None:
    (mistake,) = wrongs_of(**parts)
    assert mistake.startswith(f"{path}: {value!r} is not allowed here: {allowed}")


@pytest.mark.parametrize("name", ["it", "my identity", "_app", "a.b"])
def test_a_managed_identitys_name_keeps_arms_rule(name: str) -> None:
    mistakes = wrongs_of(identities=[managed(name)], workloads=[workload(identity=name)])
    assert mistakes == [
        "identities[0]: a managed identity is named by 3 to 128 letters, digits, dashes, underscores, "
        "a letter or digit first"
    ]


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        (
            aks(issuer="https://x"),
            "an AKS cluster's issuer is read from the cluster: remove issuer, or remove resource_group",
        ),
        ({"name": "one"}, "give resource_group (AKS), or context and issuer (any other cluster)"),
        (
            {"name": "one", "context": "here"},
            "give resource_group (AKS), or context and issuer (any other cluster)",
        ),
        (
            {"name": "one", "issuer": "https://x"},
            "give resource_group (AKS), or context and issuer (any other cluster)",
        ),
        (elsewhere("one", webhook="addon"), "webhook addon is AKS's own: this cluster needs chart"),
        (elsewhere("one", preview_features=["X"]), "preview_features are of AKS clusters"),
        (elsewhere("one", issuer="http://issuer.example"), ISSUER),
        (elsewhere("one", issuer="issuer.example"), ISSUER),
        (elsewhere("one", issuer=" https://issuer.example"), ISSUER),
        (elsewhere("one", issuer="https://issuer.example "), ISSUER),
        (elsewhere("one", issuer="https://issuer.example/a b"), ISSUER),
        (elsewhere("one", issuer="https://issuer.example\n"), ISSUER),
    ],
    ids=[
        "AKS with an issuer",
        "neither kind",
        "no issuer",
        "no context",
        "addon elsewhere",
        "preview features elsewhere",
        "http",
        "no scheme",
        "space before",
        "space after",
        "space within",
        "line end",
    ],
)
def test_a_cluster_is_of_one_kind(cluster: dict[str, Any], expected: str) -> None:
    assert wrongs_of(clusters=[cluster]) == [f"clusters[0]: {expected}"]


def test_an_empty_context_is_not_the_current_one() -> None:
    (mistake,) = wrongs_of(clusters=[elsewhere("one", context="")])
    assert mistake == "clusters[0].context: String should have at least 1 character"


def test_an_issuer_is_at_most_600_characters() -> None:
    (mistake,) = wrongs_of(clusters=[elsewhere("one", issuer=f"https://{'a' * 593}")])
    assert mistake == "clusters[0].issuer: String should have at most 600 characters"


def test_an_issuers_last_slash_is_kept() -> None:
    fleet = load(yaml.safe_dump(fleet_data(clusters=[elsewhere("one", issuer="https://issuer.example/x/")])))
    assert fleet.clusters[0].issuer == "https://issuer.example/x/"


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"name": "app", "kind": "managed-identity"}, "a managed identity needs resource_group and location"),
        (managed("app", location=None), "a managed identity needs resource_group and location"),
        (application(location="westeurope"), "an application has no resource_group and no location"),
    ],
    ids=["nowhere", "half a place", "an application somewhere"],
)
def test_an_identity_is_where_its_kind_lives(identity: dict[str, Any], expected: str) -> None:
    assert wrongs_of(identities=[identity]) == [f"identities[0]: {expected}"]


def test_no_identity_is_taken_for_the_operator() -> None:
    mistakes = wrongs_of(identities=[application("operator")], workloads=[workload(identity="operator")])
    assert mistakes == ["identities[0]: operator stands for whoever runs us: choose another name"]


# All at once


def test_mistakes_of_every_part_are_told_together_and_in_the_order_of_a_fleet_file() -> None:
    mistakes = wrongs_of(
        colour="red",
        clusters=[aks("one", region="x"), aks("two"), aks("TWO")],
        vaults=[vault("v")],
        identities=[application(access=[]), managed("bot", location=None), application("cat", access=[])],
        workloads=[
            workload(namespace="Space"),
            workload("b", identity="app", clusters=["one", "one"]),
            workload("c", token_expiration=1, deployment=deployment("Web")),
        ],
    )
    assert [mistake.partition(":")[0] for mistake in mistakes] == [
        "clusters[0].region",
        "clusters[1].name",
        "clusters[2].name",
        "vaults[0].name",
        "identities[1]",
        "workloads[0].namespace",
        "workloads[1].clusters",
        "workloads[2].token_expiration",
        "workloads[2].deployment.name",
        "colour",
    ]


def test_a_name_in_an_item_that_is_wrong_itself_is_not_called_missing() -> None:
    (mistake,) = wrongs_of(clusters=[aks(region="x")])
    assert mistake == "clusters[0].region: there is no such field"


def test_a_mistake_about_the_whole_file_has_no_path() -> None:
    assert str(Mistake("", "the file is empty")) == "the file is empty"


def test_the_same_is_refused_where_prefect_hands_the_fleet_over_as_data() -> None:
    with pytest.raises(ValueError, match="there is no cluster two in this fleet, there is: one"):
        Fleet.model_validate(fleet_data(workloads=[workload(clusters=["two"])]))


# Secrets


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        ({"name": "s", "value": "hunter2"}, ["value_from: this field is missing", "value: there is no such field"]),
        ({"name": "s", "value_from": "hunter2"}, ["value_from: give a mapping of fields"]),
        ({"name": "s", "value_from": {"value": "hunter2"}}, ["value_from.value: there is no such field"]),
        ({"name": "s", "value_from": {"env": ["hunter2"]}}, ["value_from.env: Input should be a valid string"]),
        ({"name": "s", "value_from": {"env": {"v": "hunter2"}}}, ["value_from.env: Input should be a valid string"]),
        (
            {"name": "s", "value_from": {"env": "hunter2!"}},
            ["value_from: env is the name of an environment variable: letters, digits, underscores"],
        ),
        (
            {"name": "s", "value_from": {"prefect_block": "hunter2!"}},
            ["value_from: prefect_block is the name of a Prefect block: lower-case letters, digits, dashes"],
        ),
        (
            {"name": "s", "value_from": {"env": "hunter2", "prefect_block": "hunter2"}},
            ["value_from: give exactly one of env, prefect_block"],
        ),
        ({"name": "s", "value_from": {}}, ["value_from: give exactly one of env, prefect_block"]),
        (
            {"name": "s", "value_from": {"env": ""}},
            ["value_from: env is the name of an environment variable: letters, digits, underscores"],
        ),
    ],
    ids=[
        "value",
        "value_from",
        "a literal within",
        "a list",
        "a mapping",
        "no variable's name",
        "no block's name",
        "two sources",
        "no source",
        "an empty source",
    ],
)
def test_a_value_that_stands_where_its_source_belongs_is_refused_and_not_repeated(
    secret: dict[str, Any], expected: list[str]
) -> None:
    mistakes = wrongs_of(vaults=[vault(secrets=()) | {"secrets": [secret]}])
    assert mistakes == [f"vaults[0].secrets[0].{mistake}" for mistake in expected]
    assert "hunter2" not in "".join(mistakes)


@pytest.mark.parametrize(
    "value",
    [
        "*hunter2",
        "!hunter2 x",
        "!h!unter2 x",
        "!hun'ter2 x",
        "&hunter2 &x y",
        "@hunter2",
        "%hunter2",
        "'hunter2",
        "|hunter2",
    ],
)
def test_a_value_that_yaml_stumbles_over_is_not_repeated(value: str) -> None:
    (mistake,) = wrongs(f"vaults:\n- secrets:\n  - value: {value}\n")
    assert mistake.startswith(("line 3: this is not YAML: ", "line 4: this is not YAML: "))
    assert "unter2" not in mistake
    assert "ter2" not in mistake
