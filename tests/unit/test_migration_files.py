"""The fleet file of a migration loads as a fleet, and what waits for a person is commented out beside it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.files import FleetFileError, load
from fleet.migration import file
from fleet.migration.proposal import Migration, propose
from fleet.migration.set_up import Account, AzureIdentity, Binding, Kind, Owner, Scope, SetUp
from tests.unit.old_set_ups import APPLICATION, binding, identity, known, owner, real, resource_id, set_up

DECIDED = set_up(owner(), owner("other", service_account="sa"))
OPEN = set_up(
    owner(),
    owner("free", label="free"),
    identities=(identity("reader"), identity("writer"), identity("free")),
    bindings=(binding("reader", selector="shop"), binding("writer", selector="shop"), binding("free")),
)
SEVERAL = known(real("reader"), real("writer"), real("free"))


def uncommented(text: str, service_account: str, identity: str) -> str:
    """The file after a person has chosen: the lines of one workload and of its identity are no comments any more."""
    lines = text.splitlines()
    for start in (f"  # - name: {identity}", None):
        at = lines.index(start) if start else _workload_at(lines, service_account, identity)
        while (
            at < len(lines)
            and re.match(r"  # (- | )", lines[at])
            and (lines[at] == start or not start or "- name" not in lines[at])
        ):
            lines[at] = lines[at].replace("# ", "", 1)
            at += 1
            if at < len(lines) and lines[at].startswith("  # - "):
                break
    return "\n".join(lines) + "\n"


def _workload_at(lines: list[str], service_account: str, identity: str) -> int:
    for at, line in enumerate(lines):
        block = lines[at : at + 5]
        if (
            line.startswith("  # - namespace")
            and f"  #   service_account: {service_account}" in block
            and f"  #   identity: {identity}" in block
        ):
            return at
    raise AssertionError(service_account)


def test_what_is_decided_is_a_fleet() -> None:
    fleet = load(file.text(propose(DECIDED, known(real("shop")))))
    assert fleet.name == "pod-identity-prod"
    assert [(one.name, one.kind, one.adopt) for one in fleet.identities] == [("shop", "managed-identity", True)]
    assert {(one.service_account, one.adopt) for one in fleet.workloads} == {("web", False), ("sa", True)}


def test_what_waits_for_a_person_is_commented_out_beside_what_does_not() -> None:
    text = file.text(propose(OPEN, SEVERAL))
    assert [one.service_account for one in load(text).workloads] == ["free"]
    for name in ("reader", "writer"):
        assert f"  #   identity: {name}" in text.splitlines()
    assert "  # Undecided: 2 bindings select it, for reader, writer" in text.splitlines()


def test_a_person_decides_by_taking_comments_away() -> None:
    text = uncommented(file.text(propose(OPEN, SEVERAL)), "web", "writer")
    fleet = load(text)
    assert {(one.service_account, one.identity) for one in fleet.workloads} == {("free", "free"), ("web", "writer")}
    assert {one.name for one in fleet.identities} == {"free", "writer"}


def test_an_application_is_offered_to_be_adopted() -> None:
    one = identity("shop", type=1, client_id=APPLICATION.client_id)
    migration = propose(set_up(owner(), identities=(one,)), known(applications=(APPLICATION,)))
    fleet = load(uncommented(file.text(migration), "web", "reports"))
    assert [(one.name, one.kind, one.adopt) for one in fleet.identities] == [("reports", "application", True)]


def test_where_everything_waits_the_file_says_so_and_is_no_fleet_yet() -> None:
    only = set_up(owner(), identities=OPEN.identities, bindings=OPEN.bindings)
    with pytest.raises(FleetFileError):
        load(file.text(propose(only, SEVERAL)))


def test_the_commands_stand_in_their_order_at_the_top() -> None:
    text = file.text(propose(DECIDED, known(real("shop"))))
    steps = [line for line in text.splitlines() if re.match(r"# \d\. workload-identity", line)]
    assert [
        next(word for word in ("plan", "reconcile", "--switch", "--cleanup") if word in line) for line in steps
    ] == [
        "plan",
        "reconcile",
        "--switch",
        "--cleanup",
    ]


NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
ODD = st.text(max_size=12)
"""What somebody may have written where nothing checks it."""


@st.composite
def migrations(draw: st.DrawFn) -> Migration:
    """Any set-up, however odd, and what becomes of it."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    identities = [
        AzureIdentity(
            namespace=draw(st.sampled_from(["shop", "else"])),
            name=name,
            type=draw(st.sampled_from([0, 0, 0, 1, 2, 9])),
            resource_id=draw(st.one_of(st.just(resource_id(f"id-{name}")), ODD)),
            client_id=draw(st.one_of(st.just(APPLICATION.client_id), ODD)),
        )
        for name in names
    ]
    bindings = [
        Binding(one.namespace, f"b{number}", draw(st.sampled_from(names)), draw(st.one_of(st.sampled_from(names), ODD)))
        for number, one in enumerate(identities)
    ]
    owners = draw(
        st.lists(
            st.builds(
                Owner,
                kind=st.sampled_from(Kind),
                namespace=st.sampled_from(["shop", "else"]),
                name=NAMES,
                service_account=st.one_of(st.just("default"), NAMES),
                label=st.one_of(st.none(), st.sampled_from(names), ODD),
                made_by=ODD,
                managers=st.lists(ODD, max_size=2).map(tuple),
            ),
            max_size=6,
            unique_by=lambda each: (each.kind, each.namespace, each.name),
        )
    )
    accounts = draw(st.lists(st.builds(Account, st.just("shop"), NAMES, fleet=st.one_of(st.none(), NAMES)), max_size=3))
    one = SetUp(
        identities=tuple(identities),
        bindings=tuple(bindings),
        owners=tuple(owners),
        accounts=tuple(accounts),
        scope=draw(st.sampled_from(Scope)),
    )
    return propose(one, known(*(real(f"id-{name}") for name in names), applications=(APPLICATION,)))


@given(migrations())
def test_whatever_a_cluster_has_its_file_is_a_fleet_of_all_that_is_decided(migration: Migration) -> None:
    decided = {
        (one.owner.namespace, one.service_account, one.identity.name)
        for one in migration.proposals
        if one.identity is not None
    }
    text = file.text(migration)
    if decided:
        assert {(one.namespace, one.service_account, one.identity) for one in load(text).workloads} == decided


@given(migrations())
def test_two_workloads_of_different_identities_never_share_a_service_account(migration: Migration) -> None:
    taken: dict[tuple[str, str], str] = {}
    for one in migration.proposals:
        if one.identity is not None:
            place = (one.owner.namespace, one.service_account)
            assert taken.setdefault(place, one.identity.name) == one.identity.name
            assert one.service_account != "default"
