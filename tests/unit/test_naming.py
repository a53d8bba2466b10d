"""Names are functions of what they name: always valid, always the same, never the same for two things."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import naming
from fleet.naming import federated_credential_name, role_assignment_name, slug, subject, unique_name, vault_url

AZURE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,119}")
CLUSTERS = st.from_regex(naming.RESOURCE_NAME, fullmatch=True)
NAMESPACES = st.from_regex(naming.DNS_LABEL, fullmatch=True)
SERVICE_ACCOUNTS = st.lists(NAMESPACES, min_size=1, max_size=3).map(".".join)
ISSUERS = st.text(min_size=1, max_size=60).map(lambda text: f"https://{text}")
ADDRESSES = st.tuples(CLUSTERS, NAMESPACES, SERVICE_ACCOUNTS, ISSUERS)
GUIDS = st.uuids().map(str)


def pair(address: tuple[str, str, str, str]) -> tuple[str, str]:
    """Issuer and subject: what a credential trusts."""
    _, namespace, service_account, issuer = address
    return issuer, subject(namespace, service_account)


@given(ADDRESSES)
def test_a_credentials_name_always_keeps_azures_rule(address: tuple[str, str, str, str]) -> None:
    name = federated_credential_name(*address)
    assert AZURE_PATTERN.fullmatch(name)
    assert naming.FEDERATED_CREDENTIAL_NAME.fullmatch(name)
    assert 3 <= len(name) <= 120


@pytest.mark.parametrize(
    "address",
    [
        ("_(x)_", "a", "b", "i"),
        ("é", "a", "b", "i"),
        ("c" * 90, "n" * 63, "s" * 253, "i" * 600),
        ("c", "n", "a.b.c", "i"),
    ],
    ids=["brackets first", "beyond ASCII", "the longest", "dots"],
)
def test_a_credentials_name_keeps_azures_rule_at_the_edges(address: tuple[str, str, str, str]) -> None:
    assert AZURE_PATTERN.fullmatch(federated_credential_name(*address))


@given(st.tuples(ADDRESSES, ADDRESSES))
def test_credentials_of_different_pairs_have_different_names(addresses: tuple[tuple[str, str, str, str], ...]) -> None:
    one, other = addresses
    if pair(one) != pair(other):
        assert federated_credential_name(*one) != federated_credential_name(*other)


@given(NAMESPACES, NAMESPACES, NAMESPACES)
def test_where_dashes_fall_makes_a_difference(a: str, b: str, c: str) -> None:
    """azwi joins namespace and ServiceAccount by a dash: (a-b, c) and (a, b-c) fight over one name there."""
    one = federated_credential_name("cluster", f"{a}-{b}", c, "https://issuer")
    assert one != federated_credential_name("cluster", a, f"{b}-{c}", "https://issuer")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("c", "a-b", "c", "https://i"), ("c", "a", "b-c", "https://i")),
        (("c", "a", "b", "https://i"), ("c", "a", "b", "https://i/")),
        (("c", "a", "b", "https://i"), ("c", "a", "b", "https://I")),
        (("c", "a", "b.c", "https://i"), ("c", "a", "b-c", "https://i")),
        (("c", "a", f"{'b' * 120}x", "https://i"), ("c", "a", f"{'b' * 120}y", "https://i")),
    ],
    ids=["dashes", "the issuer's last slash", "the issuer's case", "a dot for a dash", "beyond what is cut off"],
)
def test_pairs_that_look_alike_have_different_names(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert federated_credential_name(*one) != federated_credential_name(*other)


@given(ADDRESSES)
def test_a_credentials_name_is_the_same_every_time(address: tuple[str, str, str, str]) -> None:
    assert federated_credential_name(*address) == federated_credential_name(*address)


def test_a_credentials_name_never_changes_between_versions() -> None:
    name = federated_credential_name("one", "space", "account", "https://issuer.example/one/old/")
    assert name == "one-space-account-1c3b5dd83a3f3a6d"


def test_a_credentials_name_begins_with_what_a_person_looks_for() -> None:
    assert federated_credential_name("prod", "shop", "cart", "https://i").startswith("prod-shop-cart-")


def test_a_subject_keeps_its_case() -> None:
    assert subject("space", "Account") == "system:serviceaccount:space:Account"


def _mixed(text: str) -> st.SearchStrategy[str]:
    """The same text in other cases."""
    return st.tuples(*(st.sampled_from([letter.lower(), letter.upper()]) for letter in text)).map("".join)


@given(GUIDS, GUIDS, st.data())
def test_a_role_assignments_name_does_not_care_about_the_case_of_ids(
    principal: str, role: str, data: st.DataObject
) -> None:
    scope = naming.vault_id("22222222-2222-2222-2222-222222222222", "Group", "Vault")
    spelled = [data.draw(_mixed(text)) for text in (scope, principal, role)]
    assert role_assignment_name(*spelled) == role_assignment_name(scope, principal, role)


@given(st.tuples(GUIDS, GUIDS, GUIDS), st.tuples(GUIDS, GUIDS, GUIDS))
def test_role_assignments_of_different_grants_have_different_names(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (role_assignment_name(*one) == role_assignment_name(*other)) == (one == other)


def test_a_role_assignments_name_is_a_guid_that_never_changes_between_versions() -> None:
    name = role_assignment_name("/subscriptions/s", "p", "r")
    assert str(uuid.UUID(name)) == name == "24288bf4-327b-5416-b589-efecfd4c07cb"


@given(st.from_regex(naming.FLEET_NAME, fullmatch=True), st.text(), st.text())
def test_identities_of_a_fleet_have_unique_names_of_their_own(fleet: str, one: str, other: str) -> None:
    assert (unique_name(fleet, one) == unique_name(fleet, other)) == (one == other)


def test_a_vaults_address_is_in_lower_case() -> None:
    assert vault_url("My-Vault") == "https://my-vault.vault.azure.net"


@given(st.text())
def test_a_slug_is_lower_case_letters_digits_and_single_dashes(text: str) -> None:
    assert re.fullmatch(r"([a-z0-9]+(-[a-z0-9]+)*)?", slug(text))
