"""What becomes of a workload of AAD Pod Identity: whose identity, which ServiceAccount, and what a person decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fleet.migration.matters import Matter
from fleet.migration.proposal import Proposal, propose
from fleet.migration.set_up import Account, Hidden, Kind, PodException, Scope, SetUp, matches
from tests.unit.old_set_ups import (
    APPLICATION,
    SUBSCRIPTION,
    binding,
    identity,
    known,
    owner,
    proposal_of,
    real,
    resource_id,
    set_up,
)


def words(proposal: Proposal) -> str:
    """Everything that is said of it."""
    return " ".join(map(str, proposal.matters))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_owner_gets_the_identity_that_its_binding_names(kind: Kind) -> None:
    proposal = proposal_of(set_up(owner(kind=kind)))
    assert proposal.identity == real("shop")
    assert (proposal.service_account, proposal.own) == ("web", True)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Kind.DEPLOYMENT, ""),
        (Kind.STATEFUL_SET, ""),
        (Kind.DAEMON_SET, ""),
        (Kind.CRON_JOB, ""),
        (Kind.REPLICA_SET, "replaces no pods when its template changes"),
        (Kind.REPLICATION_CONTROLLER, "replaces no pods when its template changes"),
        (Kind.JOB, "is a Job, whose template cannot be changed"),
        (Kind.POD, "is a pod that nothing makes anew"),
    ],
)
def test_what_a_switch_cannot_do_is_said_of_its_kind(kind: Kind, said: str) -> None:
    proposal = proposal_of(set_up(owner(kind=kind, service_account="web")))
    assert (said in words(proposal)) if said else proposal.matters == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"on_delete": True}, "replaces its pods only when they are deleted (OnDelete)"),
        ({"host_network": True}, "where the proxy sidecar is refused"),
        ({"managers": ("helm",)}, "has a template that helm writes"),
        ({"made_by": "Rollout web"}, "is made by Rollout web, a kind that is not known here"),
    ],
)
def test_what_else_is_in_the_way_of_a_switch_is_said(more: dict[str, Any], said: str) -> None:
    assert said in words(proposal_of(set_up(owner(service_account="web", **more))))


def test_several_bindings_on_one_selector_are_all_named_and_none_is_taken() -> None:
    several = set_up(
        owner(),
        identities=(identity("reader"), identity("writer")),
        bindings=(binding("writer", selector="shop"), binding("reader", selector="shop")),
    )
    proposal = proposal_of(several, known(real("reader"), real("writer")))
    assert proposal.identity is None
    assert {one.name for one in proposal.choices} == {"reader", "writer"}
    assert "2 bindings select it, for reader, writer" in words(proposal)


def test_several_bindings_for_one_identity_leave_nothing_to_decide() -> None:
    twice = set_up(owner(), bindings=(binding("shop"), binding("again", selector="shop", names="shop")))
    assert proposal_of(twice).identity == real("shop")


ACCOUNTS: dict[str, tuple[SetUp, str, bool, str]] = {
    "its own": (set_up(owner(service_account="shop-sa")), "shop-sa", False, ""),
    "default, alone": (set_up(owner()), "web", True, "which any pod has that names none"),
    "default, shared with a stranger": (
        set_up(owner(), owner("other", label=None)),
        "web",
        True,
        "which Deployment shop/other uses too",
    ),
    "shared with a stranger": (
        set_up(owner(service_account="sa"), owner("other", label=None, service_account="sa")),
        "web",
        True,
        "runs as ServiceAccount sa, which Deployment shop/other uses too",
    ),
    "shared with one of the same identity": (
        set_up(owner(service_account="sa"), owner("other", service_account="sa")),
        "sa",
        False,
        "",
    ),
    "of the same name in another namespace": (
        set_up(owner(service_account="sa"), owner("other", label=None, service_account="sa", namespace="else")),
        "sa",
        False,
        "",
    ),
    "a name that somebody else has": (
        set_up(owner(), accounts=(Account("shop", "web"),)),
        "web-deployment",
        True,
        "would get ServiceAccount web, and that is there for somebody else",
    ),
    "a name that we made earlier": (
        set_up(owner(), accounts=(Account("shop", "web", fleet="pod-identity-prod"),)),
        "web",
        True,
        "",
    ),
    "with roles and pull secrets that stay behind": (
        set_up(owner(), accounts=(Account("shop", "default", pull_secrets=("reg",), roles=("RoleBinding view",)),)),
        "web",
        True,
        "Give web what does not come along: RoleBinding view, pull secret reg",
    ),
}


@pytest.mark.parametrize("case", ACCOUNTS)
def test_a_service_account_is_kept_unless_strangers_would_be_trusted_too(case: str) -> None:
    one, name, own, said = ACCOUNTS[case]
    proposal = proposal_of(one)
    assert (proposal.service_account, proposal.own) == (name, own)
    assert said in words(proposal)


def test_two_owners_of_one_name_get_two_service_accounts() -> None:
    both = propose(set_up(owner(), owner(kind=Kind.CRON_JOB)), known(real("shop"))).proposals
    assert sorted(one.service_account for one in both) == ["web", "web-deployment"]


IDENTITIES: dict[str, tuple[Any, str]] = {
    "a managed identity of another subscription": (
        identity("shop", resource_id=resource_id("shop", subscription="99999999-9999-4999-8999-999999999999")),
        "of subscription 99999999-9999-4999-8999-999999999999, and a fleet is of one subscription",
    ),
    "a managed identity that is gone": (
        identity("shop", resource_id=resource_id("gone")),
        "names managed identity gone in ids, which is not there",
    ),
    "no resource id": (identity("shop", resource_id=""), "has the resource id '', which is no managed identity's"),
    "a type that there is not": (identity("shop", type=7), "is of type 7, which is none"),
    "an application of another tenant": (
        identity("shop", type=1, client_id="99999999-9999-4999-8999-999999999999"),
        "signs in with a client secret as application 99999999-9999-4999-8999-999999999999, which is not seen",
    ),
    "a certificate": (identity("shop", type=2, client_id="x"), "signs in with a certificate as application x"),
}


@pytest.mark.parametrize("case", IDENTITIES)
def test_an_identity_that_cannot_be_had_is_told_and_left_open(case: str) -> None:
    one, said = IDENTITIES[case]
    proposal = proposal_of(set_up(owner(), identities=(one,)))
    assert proposal.identity is None
    assert said in words(proposal)


@pytest.mark.parametrize(("kind", "what"), [(1, "client secret"), (2, "certificate")])
def test_an_application_with_a_secret_is_federated_where_a_person_agrees(kind: int, what: str) -> None:
    one = identity("shop", type=kind, client_id=APPLICATION.client_id.upper())
    proposal = proposal_of(set_up(owner(), identities=(one,)), known(applications=(APPLICATION,)))
    assert (proposal.identity, proposal.choices) == (None, (APPLICATION,))
    assert f"signs in with a {what} as application reports: federated, it needs none" in words(proposal)


def test_a_managed_identity_that_was_made_anew_is_taken_as_azure_knows_it() -> None:
    proposal = proposal_of(set_up(owner(), identities=(identity("shop", client_id="former"),)))
    assert proposal.identity == real("shop")
    assert "says client id former, and shop has client-of-shop" in words(proposal)


def test_a_binding_without_its_identity_is_told() -> None:
    assert "names AzureIdentity shop/shop, which is not there" in words(proposal_of(set_up(owner(), identities=())))


def test_a_binding_whose_identity_may_not_be_seen_is_not_called_broken() -> None:
    hidden = (Hidden("AzureIdentity", "forbidden"),)
    said = words(proposal_of(set_up(owner(), identities=(), hidden=hidden)))
    assert "which cannot be seen" in said
    assert "not there" not in said


def test_of_two_identities_of_one_name_the_second_is_left_open() -> None:
    elsewhere = identity("other", resource_id=resource_id("shop", "elsewhere"))
    both = set_up(
        owner("a"),
        owner("b", label="other"),
        identities=(identity("shop"), elsewhere),
        bindings=(binding("shop"), binding("other")),
    )
    first, second = propose(both, known(real("shop"), real("shop", "elsewhere"))).proposals
    assert first.identity == real("shop")
    assert second.identity is None
    assert "shop in elsewhere has the name of another identity, in ids" in second.undecided


@pytest.mark.parametrize(("held", "room"), [(0, 20), (18, 2), (20, 0)])
def test_what_is_beyond_twenty_federated_credentials_is_left_open(held: int, room: int) -> None:
    many = set_up(*(owner(f"web-{number:02}") for number in range(25)))
    proposals = propose(many, known(real("shop", credentials=held))).proposals
    assert [one.identity is not None for one in proposals] == [True] * room + [False] * (25 - room)
    assert "holds 20 federated credentials, as many as it may" in proposals[-1].undecided


def test_workloads_that_share_a_service_account_share_a_credential() -> None:
    many = set_up(*(owner(f"web-{number:02}", service_account="sa") for number in range(25)))
    assert all(one.identity for one in propose(many, known(real("shop"))).proposals)


def test_what_another_fleet_has_is_not_taken_from_it() -> None:
    assert (
        proposal_of(set_up(owner()), known(real("shop", fleet="other"))).undecided == "shop belongs to the fleet other"
    )
    taken = set_up(owner(service_account="sa"), accounts=(Account("shop", "sa", fleet="other"),))
    assert proposal_of(taken).undecided == "ServiceAccount sa belongs to the fleet other"


@pytest.mark.parametrize(("client_id", "decided"), [("CLIENT-OF-SHOP", True), ("another", False), (None, True)])
def test_a_service_account_that_somebody_has_annotated_otherwise_is_left_open(
    client_id: str | None, decided: bool
) -> None:
    annotated = set_up(owner(service_account="sa"), accounts=(Account("shop", "sa", client_id=client_id),))
    proposal = proposal_of(annotated)
    assert (proposal.identity is not None) is decided
    assert decided or "ServiceAccount sa is annotated with another client id, another" in words(proposal)


def test_where_not_every_kind_is_seen_a_kept_service_account_may_have_strangers() -> None:
    said = words(proposal_of(set_up(owner(service_account="sa"), hidden=(Hidden("CronJob", "forbidden"),))))
    assert "whether others use it cannot be told without CronJob" in said


def test_an_exception_and_a_binding_for_the_same_pods_are_for_a_person_to_decide() -> None:
    passing = PodException("shop", "past", {"app": "web"})
    proposal = proposal_of(set_up(owner(labels={"app": "web", "x": "y"}), exceptions=(passing,)))
    assert proposal.identity is None
    assert "lets its pods past Pod Identity, to the node's identity" in proposal.undecided


@pytest.mark.parametrize(
    ("exception", "covered"),
    [
        (PodException("shop", "e", {"app": "web"}), True),
        (PodException("else", "e", {"app": "web"}), False),
        (PodException("shop", "e", {"app": "web", "more": "x"}), False),
        (PodException("shop", "e", {}), False),
    ],
)
def test_an_exception_covers_pods_of_its_namespace_with_all_its_labels(exception: PodException, covered: bool) -> None:
    assert exception.covers(owner(labels={"app": "web"})) is covered


@pytest.mark.parametrize(
    ("scope", "namespaced", "reached"),
    [
        (Scope.CLUSTER, False, True),
        (Scope.CLUSTER, True, False),
        (Scope.NAMESPACE, False, False),
        (Scope.UNKNOWN, False, True),
    ],
)
def test_a_binding_reaches_another_namespace_unless_pod_identity_is_namespaced(
    scope: Scope, namespaced: bool, reached: bool
) -> None:
    one = set_up(owner(namespace="else"), scope=scope, identities=(identity("shop", namespaced=namespaced),))
    assert bool(matches(one, one.owners[0])) is reached


def test_where_it_is_not_known_whether_pod_identity_is_namespaced_that_is_said() -> None:
    said = words(proposal_of(set_up(owner(namespace="else"), scope=Scope.UNKNOWN)))
    assert "selects Deployment else/web in another namespace" in said


def matters_of(one: SetUp) -> str:
    """What is said beside the workloads."""
    return " ".join(map(str, propose(one, known(real("shop"))).matters))


def test_what_selects_nothing_and_is_selected_by_nothing_is_told() -> None:
    said = matters_of(set_up(owner(label="typo")))
    assert "Deployment shop/web: has the label aadpodidbinding=typo, which no binding selects" in said
    assert "AzureIdentityBinding shop/shop: selects nothing that is there" in said


def test_nothing_is_said_to_be_selected_by_nothing_where_bindings_may_not_be_seen() -> None:
    assert "no binding selects" not in matters_of(
        set_up(owner(), bindings=(), hidden=(Hidden("AzureIdentityBinding", "x"),))
    )


def test_an_exception_is_told_with_what_it_covers() -> None:
    passing = PodException("shop", "past", {"app": "metrics"})
    metrics = owner("metrics", label=None, labels={"app": "metrics"})
    assert "lets Deployment shop/metrics past Pod Identity" in matters_of(set_up(metrics, exceptions=(passing,)))


def test_only_one_namespace_is_looked_at_where_it_is_named() -> None:
    both = set_up(owner(), owner("other", namespace="else"))
    assert [one.owner.name for one in propose(both, known(real("shop")), "else").proposals] == ["other"]


def test_what_is_switched_is_proposed_as_before() -> None:
    """A second look makes the same fleet file."""
    from fleet.migration.set_up import Before

    first = owner()
    after = replace(first, service_account="web", use="true", before=Before(None, None, None))
    one, other = (proposal_of(set_up(each, owner("stranger", label=None))) for each in (first, after))
    assert (one.service_account, one.own, one.identity) == (other.service_account, other.own, other.identity)


def test_a_matter_tells_what_happened_to_which_object_and_what_to_do() -> None:
    assert str(Matter("Deployment a/b", "is odd", "Mend it")) == "Deployment a/b: is odd. Mend it"
    assert SUBSCRIPTION in resource_id("x")
