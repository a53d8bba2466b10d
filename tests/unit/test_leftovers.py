"""What the fleet does not name: what it is, why it is dangerous, whether it is ours, and in which order it goes."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import naming
from fleet.changes import Action, Change, Plan
from fleet.findings import Finding
from fleet.observed import Found, Observed
from fleet.outline import outline
from fleet.plan import plan
from fleet.resources import FederatedIdentityCredential
from fleet.spec import Fleet

from .aftermath import is_it
from .worlds import (
    OTHER_FLEET,
    a_fleet,
    aks,
    application,
    as_wanted,
    changed,
    deployment,
    empty,
    first,
    managed,
    only,
    unseen,
    vault,
    workload,
)

ISSUER, FORMER = "https://issuer.example/one/old/", "https://issuer.example/one/older/"
TRUST = "federated-credential:app/one/space/account"


def both(*, now: dict[str, Any], before: dict[str, Any]) -> tuple[Fleet, Observed]:
    """The fleet of now, and a world that is as this and as the fleet of before would have it."""
    fleet, former = a_fleet(**now), a_fleet(**before)
    there = as_wanted(fleet)
    more = [
        found
        for found in as_wanted(former).found
        if not any(is_it(one.resource, found.resource) for one in there.found)
    ]
    return fleet, beside(there, *more)


def credential(issuer: str = FORMER, cluster: str = "one", account: str = "account", **fields: Any) -> Found:
    """A federated credential of the application, by the name that we would have made."""
    values = {
        "identity": "app",
        "identity_kind": "application",
        "object_id": "object_id-of-application:app-old",
        "cluster": "",
        "namespace": "space",
        "service_account": account,
        "name": naming.federated_credential_name(cluster, "space", account, issuer),
        "issuer": issuer,
        "subject": naming.subject("space", account),
        **fields,
    }
    return Found(resource=FederatedIdentityCredential.model_validate(values))


def beside(observed: Observed, *found: Found) -> Observed:
    """The world with more in it."""
    return empty(
        found=(*observed.found, *found),
        unknown=observed.unknown,
        conflicts=observed.conflicts,
        vanished=observed.vanished,
    )


def deleted(planned: Plan) -> list[str]:
    """What goes, in order."""
    return [change.key for change in planned.changes if change.action is Action.DELETE]


def change_of(planned: Plan, key: str) -> Change:
    """The change of this key."""
    return next(change for change in planned.changes if change.key == key)


def finding_of(planned: Plan, kind: str) -> Finding:
    """The one finding of a kind."""
    (finding,) = (finding for finding in planned.findings if finding.key.startswith(f"{kind}:"))
    return finding


MORE: dict[str, Any] = {
    "identities": [application(), application("old")],
    "workloads": [workload(), workload("old", identity="old", namespace="was", deployment=deployment("old"))],
}
LESS: dict[str, Any] = {"workloads": [workload()]}


def test_what_is_left_of_a_workload_goes_dependents_first() -> None:
    planned = plan(*both(now=LESS, before=MORE), prune=True)
    assert deleted(planned) == [
        "deployment:one/was/old",
        "service-account:one/was/old",
        "namespace:one/was",
        "access-policy:old/vault",
        "application:old",
    ]
    assert change_of(planned, "service-account:one/was/old").after == ("deployment:one/was/old",)
    assert set(change_of(planned, "namespace:one/was").after) == {
        "deployment:one/was/old",
        "service-account:one/was/old",
    }
    assert change_of(planned, "application:old").after == ("access-policy:old/vault",)
    assert planned.findings == ()


def test_a_deletion_is_read_with_what_it_belonged_to_and_carries_what_is_known() -> None:
    fleet, observed = both(now=LESS, before=MORE)
    planned = plan(fleet, observed, prune=True)
    assert change_of(planned, "deployment:one/was/old").group == "workload:was/old"
    assert change_of(planned, "application:old").group == "identity:old"
    assert change_of(planned, "application:old").known["object_id"] == "object_id-of-application:old-old"


def test_without_prune_it_is_told_and_nothing_is_planned() -> None:
    planned = plan(*both(now=LESS, before=MORE))
    assert planned.is_empty
    assert {finding.key for finding in planned.findings} == set(deleted(plan(*both(now=LESS, before=MORE), prune=True)))
    assert str(finding_of(planned, "application")) == (
        "application old is ours, and the fleet names no such identity. "
        "Danger: whom it trusts, and what it may do, outlive the fleet file. --prune takes it away."
    )


def test_what_was_adopted_is_released_after_what_it_trusts_by_our_doing() -> None:
    fleet, observed = both(now=LESS, before=MORE)
    old = next(found for found in observed.found if found.resource.key == "application:old")
    adopted = empty(
        found=tuple(found.model_copy(update={"adopted": True}) if found is old else found for found in observed.found)
    )
    told, planned = plan(fleet, adopted), plan(fleet, adopted, prune=True)
    assert finding_of(told, "application").advice == (
        "--prune takes our marks off: it was there before the fleet, and stays"
    )
    release = change_of(planned, "application:old")
    assert release.action is Action.RELEASE
    (trust,) = (key for key in deleted(planned) if key.startswith("federated-credential:old"))
    assert set(release.after) == {trust, "access-policy:old/vault"}


def test_what_is_released_is_read_after_all_that_it_trusted() -> None:
    """Its name is now that of an identity of another kind, which is read with the only workload that has it."""
    a, b = workload("a", identity="old"), workload("b", identity="old")
    deployed = {**a, "deployment": deployment("of-a")}
    before = {"identities": [application(), application("old")], "workloads": [workload(), deployed, b]}
    now = {"identities": [application(), managed("old")], "workloads": [workload(), a]}
    fleet, observed = both(now=now, before=before)
    adopted = empty(
        found=tuple(
            found.model_copy(update={"adopted": True}) if found.resource.key == "application:old" else found
            for found in observed.found
        )
    )
    read = [change.key for group in outline(plan(fleet, adopted, prune=True)) for change in group.changes]
    trusts = [key for key in read if key.startswith("federated-credential:old/one-space-")]
    assert len(trusts) == 2
    assert all(read.index(key) < read.index("application:old") for key in trusts)


@pytest.mark.parametrize("owner", [None, OTHER_FLEET], ids=["nobody's", "another fleet's"])
@pytest.mark.parametrize("kind", ["application", "service-account", "namespace", "deployment"])
def test_what_is_not_ours_is_neither_pruned_nor_told(kind: str, owner: str | None) -> None:
    fleet, observed = both(now=LESS, before=MORE)
    named = {found.resource.key for found in as_wanted(fleet).found}
    theirs = tuple(
        found.model_copy(update={"ours": False, "resource": found.resource.model_copy(update={"owner": owner})})
        if found.resource.kind == kind and found.resource.key not in named
        else found
        for found in observed.found
    )
    planned = plan(fleet, empty(found=theirs), prune=True)
    assert kind not in {change.resource.kind for change in planned.changes}
    assert not any(finding.key.startswith(f"{kind}:") for finding in planned.findings)


# Whom an identity trusts


ORPHANS: dict[str, tuple[Found, str]] = {
    "a workload that is no more": (credential(ISSUER, account="gone"), "the fleet has no such workload on one"),
    "a cluster that is no more": (
        credential(cluster="gone"),
        "the fleet has no such workload on any cluster of that issuer",
    ),
}


@pytest.mark.parametrize("name", ORPHANS)
def test_an_orphaned_credential_is_told_and_pruned(name: str) -> None:
    orphan, reason = ORPHANS[name]
    fleet = a_fleet()
    observed = beside(as_wanted(fleet), orphan)
    finding = finding_of(plan(fleet, observed), "federated-credential")
    assert finding.prunable
    assert finding.what.endswith(reason)
    assert deleted(plan(fleet, observed, prune=True)) == [finding.key]


def test_a_credential_made_by_hand_is_told_and_never_pruned() -> None:
    fleet = a_fleet()
    theirs = credential(
        name="theirs",
        issuer="https://token.actions.githubusercontent.com",
        subject="repo:a/b",
        namespace="",
        service_account="",
    )
    planned = plan(fleet, beside(as_wanted(fleet), theirs), prune=True)
    assert planned.is_empty
    finding = finding_of(planned, "federated-credential")
    assert not finding.prunable
    assert finding.what.startswith(
        "identity app trusts repo:a/b of https://token.actions.githubusercontent.com, by theirs"
    )
    assert finding.group == "workload:space/account"


def test_a_foreign_identitys_credentials_are_its_own_matter() -> None:
    fleet = a_fleet()
    observed = changed(beside(as_wanted(fleet), credential(account="gone")), "application", owner=None, ours=False)
    planned = plan(fleet, observed, prune=True)
    assert planned.findings == ()
    assert deleted(planned) == []


def test_while_a_cluster_cannot_be_seen_no_credential_that_may_be_its_is_taken_for_an_orphan() -> None:
    fleet = a_fleet()
    observed = unseen(as_wanted(fleet), "clusters")
    planned = plan(fleet, observed, prune=True)
    assert planned.findings == ()
    assert deleted(planned) == []


def test_a_workload_that_moved_to_another_identity_keeps_the_former_trust_until_the_new_chain_is_proven() -> None:
    identities = [application(), application("new")]
    fleet, observed = both(
        now={"identities": identities, "workloads": [workload(identity="new")]},
        before={"identities": identities, "workloads": [workload()]},
    )
    (change,) = plan(fleet, observed, prune=True).changes
    assert change.after_proof == ("federated-credential:new/one/space/account",)
    assert plan(fleet, observed).is_empty


def test_an_identity_goes_only_when_the_chains_of_its_workloads_elsewhere_are_proven() -> None:
    fleet, observed = both(
        now={"identities": [application("new")], "workloads": [workload(identity="new")]},
        before={"identities": [application()], "workloads": [workload()]},
    )
    planned = plan(fleet, observed, prune=True)
    assert deleted(planned) == ["access-policy:app/vault", "application:app"]
    assert {change.after_proof for change in planned.changes} == {("federated-credential:new/one/space/account",)}


def test_an_identity_that_somebody_else_uses_too_stays_with_its_access() -> None:
    fleet, observed = both(now=LESS, before={"identities": [application(), managed()], **LESS})
    place = {"identity": "managed", "identity_kind": "managed-identity", "object_id": None, "resource_group": "group"}
    planned = plan(fleet, beside(observed, credential(name="theirs", **place)), prune=True)
    assert deleted(planned) == []
    assert "theirs: delete" in finding_of(planned, "access-policy").advice
    assert "theirs: delete that by hand first" in finding_of(planned, "managed-identity").advice


def test_a_managed_identity_of_another_resource_group_is_not_taken_for_the_wanted_one() -> None:
    fleet = a_fleet(identities=[managed("app")])
    there = first(as_wanted(fleet), "managed-identity")
    moved = there.resource.model_copy(update={"identity": "other/app", "resource_group": "other"})
    former = there.model_copy(update={"resource": moved, "outputs": {"principal_id": "former"}})
    planned = plan(fleet, beside(as_wanted(fleet), former), prune=True)
    assert deleted(planned) == ["managed-identity:other/app"]


# Access


RBAC: dict[str, Any] = {"vaults": [vault(authorization="rbac")]}
NOBODY = "principal-that-is-no-more"


def with_access(kind: str, **evidence: Any) -> tuple[Fleet, Observed]:
    """A fleet, and a grant on its vault beside those that it names."""
    fleet = a_fleet(**RBAC) if kind == "role-assignment" else a_fleet()
    observed = as_wanted(fleet)
    grant = first(observed, kind)
    fields = {"principal_id": evidence.pop("principal_id")}
    more = grant.model_copy(update={"resource": grant.resource.model_copy(update=fields), **evidence})
    return fleet, beside(observed, more).model_copy(update={"vanished": (NOBODY,)})


def test_a_role_of_a_vanished_principal_is_told_and_pruned_where_we_assigned_it() -> None:
    fleet, observed = with_access("role-assignment", principal_id=NOBODY)
    finding = finding_of(plan(fleet, observed), "role-assignment")
    assert (
        finding.what == f"role Key Vault Secrets User on vault vault is given to {NOBODY}, a principal that is no more"
    )
    assert deleted(plan(fleet, observed, prune=True)) == [finding.key]


@pytest.mark.parametrize(("kind", "evidence"), [("role-assignment", {"ours": False}), ("access-policy", {})])
def test_what_somebody_else_gave_a_vanished_principal_is_told_and_stays(kind: str, evidence: dict[str, Any]) -> None:
    planned = plan(*with_access(kind, principal_id=NOBODY, **evidence), prune=True)
    assert deleted(planned) == []
    assert finding_of(planned, kind).advice == "delete it by hand"


@pytest.mark.parametrize("kind", ["role-assignment", "access-policy"])
def test_access_of_a_principal_that_is_there_and_not_ours_is_no_matter_of_ours(kind: str) -> None:
    planned = plan(*with_access(kind, principal_id="somebody"), prune=True)
    assert planned.is_empty
    assert planned.findings == ()


def test_a_grant_that_the_fleet_no_longer_names_goes() -> None:
    more = application(access=[{"vault": "vault", "roles": ["Reader"]}])
    fleet, observed = both(now=RBAC, before={**RBAC, "identities": [more]})
    assert deleted(plan(fleet, observed, prune=True)) == ["role-assignment:app/vault/Reader"]


def test_nobodys_access_to_a_foreign_vault_is_taken_away() -> None:
    more = application(access=[{"vault": "vault", "roles": ["Reader"]}])
    fleet, observed = both(now=RBAC, before={**RBAC, "identities": [more]})
    planned = plan(fleet, changed(observed, "vault", owner=None, ours=False), prune=True)
    assert deleted(planned) == []
    assert planned.findings == ()


def test_a_role_that_somebody_else_assigned_serves_as_well() -> None:
    fleet = a_fleet(**RBAC)
    assert plan(fleet, changed(as_wanted(fleet), "role-assignment", ours=False)).is_empty


# Clusters


def test_vaults_clusters_and_webhooks_are_never_pruned() -> None:
    fleet, observed = both(now={}, before={"clusters": [aks(), aks("two")], "vaults": [vault(), vault("safe")]})
    assert plan(fleet, observed, prune=True).is_empty


def test_what_cannot_be_seen_is_not_pruned() -> None:
    fleet, observed = both(now=LESS, before=MORE)
    planned = plan(fleet, unseen(observed, "directory"), prune=True)
    assert {change.resource.kind for change in planned.changes} == {"deployment", "service-account", "namespace"}
    left = only(observed, lambda found: found.resource.kind != "namespace")
    assert "application:old" in deleted(plan(fleet, left, prune=True))
