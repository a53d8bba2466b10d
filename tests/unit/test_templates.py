"""Defaults and templates stand for an ordinary fleet, and mistakes in them are told where they are."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fleet import expansion, sources
from fleet.entries import Cluster, Identity, Vault, Workload
from fleet.fields import Model
from fleet.files import FleetFileError, load
from fleet.spec import Fleet

from .files import load_written, without, wrongs_in
from .worlds import a_fleet, aks, application, elsewhere, fleet_data, managed, vault, workload


def wrongs_of(**parts: Any) -> list[str]:
    """What is wrong with a fleet that is right but for these parts."""
    with pytest.raises(FleetFileError) as raised:
        load(yaml.safe_dump(fleet_data(**parts)))
    return [str(mistake) for mistake in raised.value.mistakes]


def template(*rows: dict[str, Any], name: str = "web", **entries: Any) -> dict[str, Any]:
    """A template that generates these entries for each row of parameters."""
    return {"name": name, "for_each": list(rows), **entries}


def of_teams(*teams: str, **parts: Any) -> dict[str, Any]:
    """A template of a vault, an identity and a workload for each team."""
    return template(
        *({"team": team, "clusters": ["one"]} for team in teams),
        vaults=[vault("${team}-kv", secrets=["${team}-secret"])],
        identities=[application("${team}-app", access=[{"vault": "${team}-kv"}])],
        workloads=[workload("web", namespace="${team}", identity="${team}-app", clusters="${clusters}", **parts)],
    )


def by_hand(team: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What the template of a team stands for."""
    return (
        vault(f"{team}-kv", secrets=[f"{team}-secret"]),
        application(f"{team}-app", access=[{"vault": f"{team}-kv"}]),
        workload("web", namespace=team, identity=f"{team}-app"),
    )


# Templates


def test_a_template_is_what_it_stands_for() -> None:
    vaults, identities, workloads = zip(by_hand("shop"), by_hand("bank"), strict=True)
    expected = a_fleet(
        vaults=[vault(), *vaults], identities=[application(), *identities], workloads=[workload(), *workloads]
    )
    assert a_fleet(workloads=[workload()], templates=[of_teams("shop", "bank")]) == expected


def test_a_fleet_may_consist_of_templates_alone() -> None:
    data = without("identities", "vaults", "workloads", templates=[of_teams("shop")])
    data["templates"] = [of_teams("shop")]
    assert [str(item) for item in Fleet.model_validate(data).workloads] == ["shop/web"]


def test_a_loaded_fleet_is_the_same_when_it_is_read_again() -> None:
    fleet = a_fleet(templates=[of_teams("shop")], defaults={"workloads": {"token_expiration": 7200}})
    assert fleet.templates == ()
    assert fleet.defaults is None
    assert Fleet.model_validate(fleet.model_dump(mode="json")) == fleet
    assert Fleet.model_validate_json(fleet.model_dump_json()) == fleet


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain", "plain"),
        ("${word}", "shop"),
        ("a ${word} b ${word}", "a shop b shop"),
        ("${number}", 7),
        ("n${number}", "n7"),
        ("${truth}", True),
        ("t-${truth}", "t-true"),
        ("${half}x", "0.5x"),
        ("${words}", ["a", "b"]),
        ("${nothing}", None),
        ("$${word}", "${word}"),
        ("$$${word}", "$${word}"),
        ("$${word} ${word}", "${word} shop"),
        ("$word $(word) $ {word} 100$", "$word $(word) $ {word} 100$"),
        (["${word}", {"x": "${word}"}], ["shop", {"x": "shop"}]),
        (12, 12),
    ],
)
def test_a_gap_is_filled_with_its_parameter(written: Any, expected: Any) -> None:
    row = {"word": "shop", "number": 7, "truth": True, "half": 0.5, "words": ["a", "b"], "nothing": None}
    filled = expansion.Filled({"field": written}, row)
    assert (filled.entry, filled.problems) == ({"field": expected}, [])


def test_what_a_parameter_says_is_not_filled_again() -> None:
    assert expansion.Filled({"a": "x${one}"}, {"one": "${two}", "two": "2"}).entry == {"a": "x${two}"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"namespace": "${taem}"},
            ["workloads[0].namespace: there is no parameter taem, there is: clusters, team (for_each[0] and 1 more)"],
        ),
        (
            {"namespace": "x${clusters}"},
            ["workloads[0].namespace: clusters is a list: it cannot be part of a text (for_each[0] and 1 more)"],
        ),
        (
            {"namespace": "${team"},
            [
                "workloads[0].namespace: ${ begins the name of a parameter that ends in }: for the text itself write "
                "$${ (for_each[0] and 1 more)"
            ],
        ),
        (
            {"namespace": "${}"},
            [
                "workloads[0].namespace: ${ begins the name of a parameter that ends in }: for the text itself write "
                "$${ (for_each[0] and 1 more)"
            ],
        ),
        (
            {"${team}": "x"},
            [
                "workloads[0].${team}: the name of a field is not filled: write parameters in values "
                "(for_each[0] and 1 more)"
            ],
        ),
        ({"colour": "red"}, ["workloads[0].colour: there is no such field (for_each[0] and 1 more)"]),
        (
            {"service_account": "${team}", "verify": {"vault": "${team}-kv", "secret": "${team}"}},
            [
                "workloads[0].verify.secret: there is no secret of shop-kv called shop in this fleet, there is: "
                "shop-secret (for_each[0])",
                "workloads[0].verify.secret: there is no secret of bank-kv called bank in this fleet, there is: "
                "bank-secret (for_each[1])",
            ],
        ),
    ],
    ids=["unknown", "a list in a text", "open", "no name", "a field's name", "no such field", "wrong for each"],
)
def test_a_mistake_in_a_template_is_told_in_its_place_with_the_set_of_parameters(
    parts: dict[str, Any], expected: list[str]
) -> None:
    told = wrongs_of(templates=[of_teams("shop", "bank") | _workload(**parts)])
    assert told == [f"templates[0].{mistake}" for mistake in expected]


def _workload(**parts: Any) -> dict[str, Any]:
    entry = workload("web", namespace="${team}", identity="${team}-app", clusters="${clusters}")
    return {"workloads": [entry | parts]}


@pytest.mark.parametrize(
    ("templates", "expected"),
    [
        ([of_teams()], ["templates[0].for_each: give at least one"]),
        ([{"name": "web"}], ["templates[0].for_each: this field is missing"]),
        ([of_teams("shop") | {"name": "Web"}], ["templates[0].name: 'Web' is not allowed here: 1 to 63 lower-case"]),
        ([of_teams("shop") | {"clusters": [aks("two")]}], ["templates[0].clusters: there is no such field"]),
        ([of_teams("shop") | {"workloads": ["x"]}], ["templates[0].workloads[0]: give a mapping of fields"]),
        (
            [template({"a": {"b": "c"}})],
            ["templates[0].for_each[0].a: a parameter is a text, a number, true, false, null, or a list of those"],
        ),
        ([template({"a": "b" * 4097})], ["templates[0].for_each[0].a: a parameter has at most 4096 characters"]),
        (
            [template({"1a": "b"})],
            ["templates[0].for_each[0].1a: '1a' is not allowed here: letters, digits, underscores, no digit first"],
        ),
        (
            [of_teams("shop"), of_teams("bank")],
            [
                "templates[0].name: web is named more than once, also at templates[1].name",
                "templates[1].name: web is named more than once, also at templates[0].name",
            ],
        ),
    ],
    ids=["none", "no sets", "name", "clusters", "no entry", "a mapping", "too long", "parameter's name", "twice"],
)
def test_a_template_that_is_wrong_itself_is_told_like_anything_else(
    templates: list[dict[str, Any]], expected: list[str]
) -> None:
    told = wrongs_of(templates=templates)
    assert len(told) == len(expected)
    for mistake, begins in zip(told, expected, strict=True):
        assert mistake.startswith(begins)


def test_two_sets_of_parameters_that_mean_the_same_workload_are_told_apart() -> None:
    written = [template({"a": "x"}, {"a": "x"}, workloads=[workload("${a}")])]
    assert wrongs_of(templates=written) == [
        "templates[0].workloads[0]: space/x on one is already templates[0].workloads[0], for_each[0]: a ServiceAccount "
        "has one identity (for_each[1])"
    ]


def test_what_a_broken_template_would_have_brought_is_not_called_missing() -> None:
    broken = of_teams("shop")
    broken["vaults"][0]["name"] = "${x}"
    (mistake,) = wrongs_of(templates=[broken])
    assert mistake.startswith("templates[0].vaults[0].name: there is no parameter x")


def test_templates_do_not_generate_without_end() -> None:
    rows = [{"n": number} for number in range(600)]
    (mistake,) = wrongs_of(templates=[template(*rows, workloads=[workload("a${n}")] * 100)])
    assert mistake == (
        "templates[0]: 100 entries for each of 600 sets of parameters are 60000: all templates together generate at "
        "most 50000"
    )


def test_a_mistake_in_a_template_of_another_file_names_the_file() -> None:
    broken = template({"a": "X"}, workloads=[workload("${a}")])
    (mistake,) = wrongs_in({"a.yaml": fleet_data(), "b.yaml": {"templates": [broken]}}, "a.yaml", "b.yaml")
    assert mistake.startswith("b.yaml:")
    assert ": templates[0].workloads[0].service_account: 'X' is not allowed here" in mistake


# Defaults


def test_an_entry_has_the_defaults_where_it_says_nothing_else() -> None:
    defaults = {
        "clusters": {"resource_group": "group", "webhook": "addon"},
        "vaults": {"resource_group": "group", "location": "westeurope", "soft_deleted": "recover"},
        "identities": {"access": [{"vault": "vault"}], "adopt": True},
        "workloads": {"clusters": ["one"], "identity": "app", "token_expiration": 7200},
    }
    short = {
        "defaults": defaults,
        "clusters": [{"name": "one"}, {"name": "two", "webhook": "chart"}],
        "vaults": [{"name": "vault"}],
        "identities": [{"name": "app"}, {"name": "other", "access": [], "adopt": False}],
        "workloads": [
            {"namespace": "space", "service_account": "a"},
            {"namespace": "space", "service_account": "b", "clusters": ["two"], "token_expiration": 3600},
        ],
    }
    assert a_fleet(**short) == a_fleet(
        clusters=[aks("one", webhook="addon"), aks("two", webhook="chart")],
        vaults=[vault(secrets=[], authorization="rbac", soft_deleted="recover")],
        identities=[application(adopt=True), application("other", access=[], adopt=False)],
        workloads=[
            workload("a", token_expiration=7200),
            workload("b", clusters=["two"], token_expiration=3600),
        ],
    )


def test_null_says_that_there_is_no_such_value() -> None:
    fleet = a_fleet(
        defaults={
            "clusters": {"resource_group": "group"},
            "identities": {"kind": "managed-identity", "resource_group": "group", "location": "westeurope"},
        },
        clusters=[{"name": "one"}, {**elsewhere("two"), "resource_group": None}],
        identities=[application("app", kind="application", resource_group=None, location=None), {"name": "managed"}],
    )
    assert [cluster.is_aks for cluster in fleet.clusters] == [True, False]
    assert fleet.identities[1] == Identity.model_validate(managed(access=[]))


def test_a_default_that_is_null_is_none() -> None:
    assert a_fleet(defaults={"clusters": {"webhook": None}, "vaults": None, "workloads": {"adopt": None}}) == a_fleet()


def test_generated_entries_have_the_defaults_too() -> None:
    written = template({"a": "x"}, workloads=[{"service_account": "${a}", "clusters": ["one"], "identity": "app"}])
    fleet = a_fleet(defaults={"workloads": {"namespace": "room"}}, templates=[written])
    assert str(fleet.workloads[-1]) == "room/x"


@pytest.mark.parametrize(
    ("defaults", "expected"),
    [
        ({"workloads": {"colour": "red"}}, ["defaults.workloads.colour: there is no such field"]),
        (
            {"workloads": {"token_expiration": 1}},
            ["defaults.workloads.token_expiration: Input should be greater than or equal to 3600"],
        ),
        ({"workloads": ["x"]}, ["defaults.workloads: give a mapping of fields"]),
        ({"secrets": {}}, ["defaults.secrets: there is no such field"]),
        (["x"], ["defaults: give a mapping of fields"]),
        (
            {"workloads": {"verify": {"vault": "safe", "secret": "secret"}}},
            ["defaults.workloads.verify.vault: there is no vault safe in this fleet, there is: vault"],
        ),
        (
            {"identities": {"access": [{"vault": "vault"}, {"vault": "safe"}]}},
            ["defaults.identities.access[1].vault: there is no vault safe in this fleet, there is: vault"],
        ),
    ],
    ids=["field", "value", "a list", "part", "no mapping", "reference", "reference within"],
)
def test_a_wrong_default_is_told_once_and_where_it_stands(defaults: Any, expected: list[str]) -> None:
    many = {"identities": [application(), {"name": "b"}, {"name": "c"}], "workloads": [workload("a"), workload("b")]}
    assert wrongs_of(defaults=defaults, **many) == expected


def test_defaults_stand_in_one_file() -> None:
    files = {"a.yaml": fleet_data(defaults={}), "b.yaml": {"defaults": {}}}
    assert wrongs_in(files, "a.yaml", "b.yaml") == [
        "b.yaml:1: defaults: defaults stands in a.yaml already: a fleet has one"
    ]
    shared = {"a.yaml": without("clusters"), "b.yaml": {"clusters": [{"name": "one"}], "defaults": {}}}
    shared["b.yaml"]["defaults"] = {"clusters": {"resource_group": "group"}}
    assert load_written(shared, "a.yaml", "b.yaml") == a_fleet()


@pytest.mark.parametrize(
    ("defaults", "entry"),
    [
        (sources.ClusterDefaults, Cluster),
        (sources.VaultDefaults, Vault),
        (sources.IdentityDefaults, Identity),
        (sources.WorkloadDefaults, Workload),
    ],
)
def test_every_default_is_a_field_of_its_entry_and_nothing_by_itself(defaults: type[Model], entry: type[Model]) -> None:
    assert set(defaults.model_fields) <= set(entry.model_fields)
    assert set(defaults().model_dump().values()) == {None}
