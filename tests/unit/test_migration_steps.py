"""Which workloads are switched, and which old objects can go: nothing that something may still need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.changes import Hold, Plan
from fleet.files import load
from fleet.migration import file
from fleet.migration.leaving import leaving, unconverted
from fleet.migration.proposal import propose
from fleet.migration.set_up import Assignment, Before, Hidden, Kind, Owner, Pod, PodException, SetUp
from fleet.migration.switching import ChoiceError, Kept, Switch, chosen, switches
from tests.unit.old_set_ups import binding, identity, known, owner, real, set_up

AROUND = known(real("shop"))
NOTHING = Plan(fleet="pod-identity-prod", changes=(), holds=())


def outcome(one: Owner, planned: Plan = NOTHING, *, proxy: int | None = None) -> Switch | Kept:
    """What is done with a workload whose entry is in the fleet file."""
    there = set_up(one)
    migration = propose(there, AROUND)
    ready, kept = switches(migration, load(file.text(migration)), planned, [one], proxy=proxy)
    (only,) = [*ready, *kept]
    return only


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in (Kind.POD, Kind.JOB)])
def test_what_has_a_template_is_switched(kind: Kind) -> None:
    done = outcome(owner(kind=kind))
    assert isinstance(done, Switch)
    assert done.workload.service_account == "web"


SWITCHED = owner(service_account="web", use="true", before=Before(None, None, None))
KEPT: dict[str, tuple[Owner, Plan, int | None, str]] = {
    "a pod": (owner(kind=Kind.POD), NOTHING, None, "a Pod cannot be changed: make it anew as ServiceAccount web"),
    "a job": (owner(kind=Kind.JOB), NOTHING, None, "a Job cannot be changed: make it anew"),
    "an operator's": (owner(made_by="Rollout web"), NOTHING, None, "Rollout web makes it: change it there"),
    "on the host's network": (owner(host_network=True), NOTHING, 8000, "switch it without --proxy"),
    "switched already": (SWITCHED, NOTHING, None, "is switched already"),
    "a chain that is not whole": (
        owner(),
        Plan(fleet="f", changes=(), holds=(Hold(key="service-account:x", reason="odd", group="workload:shop/web"),)),
        None,
        "its chain is not whole: service-account:x (odd). Reconcile the fleet file first",
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_cannot_be_switched_is_kept_with_the_reason(case: str) -> None:
    one, planned, proxy, said = KEPT[case]
    kept = outcome(one, planned, proxy=proxy)
    assert isinstance(kept, Kept)
    assert said in str(kept)


def test_what_is_pending_for_another_workload_keeps_none_of_this() -> None:
    other = Plan(fleet="f", changes=(), holds=(Hold(key="x", reason="odd", group="workload:else/web"),))
    assert isinstance(outcome(owner(), other), Switch)


def test_a_sidecar_is_added_to_what_is_switched_already() -> None:
    assert isinstance(outcome(SWITCHED, proxy=8000), Switch)
    assert isinstance(outcome(replace(SWITCHED, proxy="true"), proxy=8000), Kept)
    assert isinstance(outcome(replace(SWITCHED, proxy="true", proxy_port="9000"), proxy=9000), Kept)
    assert isinstance(outcome(replace(SWITCHED, proxy="true"), proxy=9000), Switch)


def test_what_the_file_does_not_name_is_kept() -> None:
    migration = propose(set_up(owner(), owner("b")), AROUND)
    without = load(file.text(propose(set_up(owner("b")), AROUND)))
    ready, kept = switches(migration, without, NOTHING, [owner(), owner("b")], proxy=None)
    assert [one.owner.name for one in ready] == ["b"]
    assert [str(one) for one in kept] == ["Deployment shop/web: the fleet file has no workload shop/web on prod"]


OWNERS = [owner("a"), owner("b"), owner("b", Kind.CRON_JOB)]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], OWNERS),
        (["shop/a"], OWNERS[:1]),
        (["deployment/shop/b"], OWNERS[1:2]),
        (["CronJob/shop/b", "shop/a", "shop/a"], [OWNERS[2], OWNERS[0]]),
    ],
)
def test_workloads_are_named_by_place_and_kind(names: list[str], found: list[Owner]) -> None:
    assert list(chosen(OWNERS, names, "is there")) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shop/c", "shop/c: no workload of this name is there here. There are: deployment/shop/a"),
        ("a", "a: no workload of this name"),
        ("", ": no workload of this name"),
        ("a/b/c/d", "no workload of this name"),
        ("shop/b", "there are several of this name: deployment/shop/b, cronjob/shop/b. Name one of them so"),
    ],
)
def test_a_name_that_fits_none_or_several_is_refused_with_what_there_is(name: str, said: str) -> None:
    with pytest.raises(ChoiceError) as refused:
        chosen(OWNERS, [name], "is there")
    assert said in str(refused.value)


NEW = Pod("new", "web", "client-of-shop", has_token=True)
OLD = Pod("old", "default", None, has_token=False)
CONVERTED = replace(SWITCHED, pods=(NEW,))
NEEDS: dict[str, tuple[Owner, str]] = {
    "not switched": (owner(), "is not switched"),
    "with an old pod": (replace(SWITCHED, pods=(NEW, OLD)), "has pods without the new identity: old"),
    "with another identity": (
        replace(SWITCHED, pods=(replace(NEW, client_id="x"),)),
        "has pods without the new identity",
    ),
    "with a client id and no token": (replace(SWITCHED, pods=(replace(NEW, has_token=False),)), "has pods without"),
    "with a label that is not true": (replace(CONVERTED, use="True"), "is not switched"),
    "converted": (CONVERTED, ""),
    "without pods": (SWITCHED, ""),
}


@pytest.mark.parametrize("case", NEEDS)
def test_a_workload_needs_the_old_set_up_until_its_template_and_all_pods_do_without(case: str) -> None:
    one, said = NEEDS[case]
    why = unconverted(set_up(one), AROUND, one)
    assert (said in why) if said else not why


def goes(one: SetUp, proven: str = "") -> tuple[list[str], str]:
    """The kinds and names of what can go, and all that is said of what stays."""
    going, staying = leaving(one, AROUND, lambda _: proven)
    return [f"{each.kind} {each.name}" for each in going], " ".join(map(str, staying))


def test_a_binding_and_its_identity_go_when_nobody_uses_them_any_more() -> None:
    going, staying = goes(set_up(CONVERTED, exceptions=(PodException("shop", "past", {"a": "b"}),)))
    assert going == ["AzureIdentityBinding shop", "AzureIdentity shop", "AzurePodIdentityException past"]
    assert staying == ""


def test_what_pod_identity_made_of_a_binding_is_left_to_it() -> None:
    going, _ = leaving(set_up(CONVERTED, assignments=(Assignment("default", "a", "shop/shop"),)), AROUND, lambda _: "")
    assert "Pod Identity itself takes away the 1 AzureAssignedIdentity of it" in str(going[0])


STAYS: dict[str, tuple[SetUp, str, str]] = {
    "one of two is not switched": (set_up(CONVERTED, owner("other")), "", "Deployment shop/other is not switched"),
    "one is not proven": (set_up(CONVERTED), "is not proven: odd", "is not proven: odd"),
    "a kind cannot be seen": (
        set_up(CONVERTED, hidden=(Hidden("CronJob", "forbidden"),)),
        "",
        "CronJob objects cannot be seen, and may need it",
    ),
    "bindings cannot be seen": (
        set_up(bindings=(), hidden=(Hidden("AzureIdentityBinding", "forbidden"),)),
        "",
        "AzureIdentityBinding objects cannot be seen, and may need it",
    ),
}


@pytest.mark.parametrize("case", STAYS)
def test_what_somebody_may_still_need_stays_with_the_reason(case: str) -> None:
    one, proven, said = STAYS[case]
    going, staying = goes(one, proven)
    assert going == []
    assert said in staying


def test_exceptions_stay_for_as_long_as_any_binding_does() -> None:
    mixed: dict[str, Any] = {
        "identities": (identity("shop"), identity("other")),
        "bindings": (binding("shop"), binding("other")),
        "exceptions": (PodException("shop", "past", {"a": "b"}),),
    }
    going, staying = goes(set_up(CONVERTED, owner("still", label="other"), **mixed))
    assert going == ["AzureIdentityBinding shop", "AzureIdentity shop"]
    assert "AzureIdentityBinding shop/other stays, so Pod Identity does" in staying


def test_what_selects_nothing_can_go() -> None:
    assert goes(set_up())[0] == ["AzureIdentityBinding shop", "AzureIdentity shop"]


def test_only_a_namespace_is_cleaned_up_where_it_is_named() -> None:
    elsewhere = replace(CONVERTED, namespace="else", label="other")
    both = set_up(CONVERTED, elsewhere, bindings=(binding("shop"), binding("other", "else")))
    going, _ = leaving(both, AROUND, lambda _: "", "else")
    assert {one.namespace for one in going} <= {"else"}
