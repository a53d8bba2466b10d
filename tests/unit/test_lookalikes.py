"""Names that no eye can tell apart: the letter that is another than it seems is named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet.files import FleetFileError, load
from fleet.lookalikes import skeleton, strange

from .worlds import a_fleet, aks, application, elsewhere, fleet_data, managed, vault, workload

APP = "\u0430pp"
"""With a Cyrillic letter in front."""


def wrongs_of(**parts: Any) -> list[str]:
    """What is wrong with a fleet that is right but for these parts."""
    with pytest.raises(FleetFileError) as raised:
        load(yaml.safe_dump(fleet_data(**parts)))
    return [str(mistake) for mistake in raised.value.mistakes]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (APP, "character 1 is CYRILLIC SMALL LETTER A, which looks like a"),
        ("te\u0430m", "character 3 is CYRILLIC SMALL LETTER A, which looks like a"),
        ("caf\u00e9", "character 4 is LATIN SMALL LETTER E WITH ACUTE"),
        ("a\u200bb", "character 2 is ZERO WIDTH SPACE, which cannot be seen"),
        ("\u00e9\u0430\u202e", "character 3 is RIGHT-TO-LEFT OVERRIDE, which cannot be seen"),
        ("\u00e9\u0430", "character 2 is CYRILLIC SMALL LETTER A, which looks like a"),
        ("a\u2010b", "character 2 is HYPHEN, which looks like -"),
        ("\uff41", "character 1 is FULLWIDTH LATIN SMALL LETTER A, which looks like a"),
        ("\ue000", "character 1 is U+E000"),
    ],
)
def test_the_letter_that_is_not_what_it_seems_is_named(name: str, expected: str) -> None:
    assert strange(name) == expected


@given(st.text(st.characters(codec="ascii")))
def test_plain_names_have_nothing_strange(name: str) -> None:
    assert strange(name) is None
    assert skeleton(name) == name.lower()


@pytest.mark.parametrize(
    ("one", "other"),
    [("app", APP), ("App", "aPP"), ("e\u0301", "\u00e9"), ("a\u200bb", "ab"), ("a-b", "a\u2013b"), ("A", "\u0391")],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("caf\u00e9", "cafe"), ("app", "apps"), ("\u0436", "x")])
def test_names_that_can_be_told_apart_have_two(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"clusters": [aks(), aks("\u0430ks")]}, "clusters[1].name"),
        ({"vaults": [vault(), vault("s\u0430fe")]}, "vaults[1].name"),
        ({"identities": [application(), managed("m\u0430naged")]}, "identities[1]"),
        ({"workloads": [workload(), workload("\u0430ccount")]}, "workloads[1].service_account"),
        ({"workloads": [workload(), workload(namespace="sp\u0430ce")]}, "workloads[1].namespace"),
        ({"name": "sh\u0430dy"}, "name"),
    ],
)
def test_where_only_plain_letters_are_allowed_the_other_one_is_named(parts: dict[str, Any], path: str) -> None:
    (mistake,) = wrongs_of(**parts)
    assert mistake.startswith(f"{path}: ")
    if path != "identities[1]":
        assert "is CYRILLIC SMALL LETTER A, which looks like a" in mistake


def test_applications_whose_names_look_alike_are_taken_for_one_mistake() -> None:
    assert wrongs_of(identities=[application(), application(APP)]) == [
        f"identities[0].name: app looks like {APP} at identities[1].name: of the other, character 1 is CYRILLIC SMALL "
        "LETTER A, which looks like a",
        f"identities[1].name: {APP} looks like app at identities[0].name: character 1 is CYRILLIC SMALL LETTER A, "
        "which looks like a",
    ]


def test_an_application_may_be_called_as_people_write() -> None:
    assert a_fleet(identities=[application(), application("Größe café 店")]).identity("Größe café 店")


def test_no_name_holds_what_cannot_be_seen() -> None:
    (mistake,) = wrongs_of(identities=[application(), application("ap\u200bp")])
    assert mistake == (
        "identities[1].name: 'ap\\u200bp' is not allowed here: character 3 is ZERO WIDTH SPACE, which cannot be seen"
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"workloads": [workload(identity=APP)]},
            f"workloads[0].identity: there is no identity {APP} in this fleet, though one that looks like it, app: "
            "character 1 is CYRILLIC SMALL LETTER A, which looks like a",
        ),
        (
            {"identities": [application(APP)]},
            f"workloads[0].identity: there is no identity app in this fleet, though one that looks like it, {APP}: "
            "of the latter, character 1 is CYRILLIC SMALL LETTER A, which looks like a",
        ),
        (
            {"identities": [application(access=[{"vault": "Vault"}])]},
            "identities[0].access[0].vault: there is no vault Vault in this fleet, there is: vault",
        ),
    ],
)
def test_a_reference_that_only_looks_right_says_why_it_is_not(parts: dict[str, Any], expected: str) -> None:
    assert wrongs_of(**parts) == [expected]


def test_of_many_names_the_one_that_was_meant_is_told_or_their_number() -> None:
    many = [application(), *(application(f"app{number}") for number in range(30))]
    assert wrongs_of(identities=many, workloads=[workload(identity="APP7"), workload("b", identity="bot")]) == [
        "workloads[0].identity: there is no identity APP7 in this fleet, there is: app7",
        "workloads[1].identity: there is no identity bot in this fleet among its 31",
    ]


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        (
            [elsewhere("one", context="here"), elsewhere("two", context="here")],
            "clusters[1].context: here is already clusters[0].context: a cluster has one name",
        ),
        (
            [aks("one", context="here"), elsewhere("two", context="here")],
            "clusters[1].context: here is already clusters[0].context: a cluster has one name",
        ),
        (
            [elsewhere("one", issuer="https://i/"), elsewhere("two", issuer="https://i/")],
            "clusters[1].issuer: https://i/ is already clusters[0].issuer: a cluster has one name",
        ),
    ],
    ids=["context", "context of AKS", "issuer"],
)
def test_one_cluster_has_no_two_names(clusters: list[dict[str, Any]], expected: str) -> None:
    assert wrongs_of(clusters=clusters) == [expected]


def test_issuers_that_differ_in_a_slash_or_in_case_are_two() -> None:
    issuers = ["https://i/", "https://i", "https://I/"]
    clusters = [elsewhere(f"c{number}", issuer=issuer) for number, issuer in enumerate(issuers)]
    assert len(a_fleet(clusters=[aks(), *clusters]).clusters) == 4
