"""A fleet over a long time: its file changes, the world drifts, clusters are rebuilt, runs are cut short or half blind.

Whatever came before, one reconcile brings the world to what the file says, and what others made is as they left it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from fleet.changes import Change
from fleet.observed import Found, Observed
from fleet.plan import plan
from fleet.resources import (
    AccessPolicy,
    Application,
    ClusterSettings,
    Deployment,
    FederatedIdentityCredential,
    ManagedIdentity,
    Namespace,
    RoleAssignment,
    ServiceAccount,
    ServicePrincipal,
    Vault,
)
from fleet.spec import Fleet
from fleet.stages import after_proof, before_proof
from fleet.wanted import wanted

from .aftermath import applied, brings_to_light, find, is_it, taken_away, with_found
from .remnants import BY_HAND, is_foreign
from .worlds import SOME, as_wanted, drifts, empty, fleets, foreign, unseen

SEEDS = st.integers(0, 2**32).map(random.Random)
STEPS = 50
WALKS = 60
_MAY_GO = (
    Deployment,
    ServiceAccount,
    Namespace,
    FederatedIdentityCredential,
    RoleAssignment,
    AccessPolicy,
    ServicePrincipal,
    Application,
    ManagedIdentity,
)
_LOOKS = ("clusters", "vaults", "directory", "managed-identities", "roles", "kubernetes:one", "kubernetes:two")


class LongTime(RuleBasedStateMachine):
    """One fleet, its world, and whoever works on both."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet: Fleet
        self.world: Observed = empty()
        self.generation = 0

    @initialize(fleet=fleets(), made=SOME)
    def begins(self, fleet: Fleet, made: bool) -> None:
        self.fleet = fleet
        self.world = as_wanted(fleet) if made else empty()

    @rule(fleet=fleets())
    def somebody_edits_the_file(self, fleet: Fleet) -> None:
        self.fleet = fleet

    @rule(luck=SEEDS)
    def something_drifts(self, luck: random.Random) -> None:
        self._replace(luck, drifts)

    @rule(luck=SEEDS)
    def something_is_somebody_elses_now(self, luck: random.Random) -> None:
        self._replace(luck, _taken_over)

    @rule(luck=SEEDS)
    def something_is_deleted(self, luck: random.Random) -> None:
        if there := [found.resource for found in self.world.found if isinstance(found.resource, _MAY_GO)]:
            self.world = taken_away(self.world, luck.choice(there))

    @rule(luck=SEEDS, empty_now=SOME)
    def a_cluster_is_built_anew(self, luck: random.Random, empty_now: bool) -> None:
        there = [found for found in self.world.found if isinstance(found.resource, ClusterSettings) and found.outputs]
        if not there:
            return
        old = luck.choice(there)
        new = old.model_copy(update={"outputs": {"issuer": f"https://issuer.example/{self._anew()}/"}})
        assert isinstance(old.resource, ClusterSettings)
        name = old.resource.name
        found = [new if one is old else one for one in self.world.found]
        if empty_now:
            found = [one for one in found if getattr(one.resource, "cluster", "") != name]
        self.world = with_found(self.world, found)

    @rule(luck=SEEDS, prune=SOME)
    def a_run_is_cut_short(self, luck: random.Random, prune: bool) -> None:
        changes = before_proof(plan(self.fleet, self.world, prune=prune).changes)
        self._apply(changes[: luck.randint(0, len(changes))])

    @rule(luck=SEEDS, prune=SOME)
    def a_run_proves_only_some_chains(self, luck: random.Random, prune: bool) -> None:
        changes = plan(self.fleet, self.world, prune=prune).changes
        proofs = sorted({key for change in changes for key in change.after_proof})
        ready, _ = after_proof(changes, set(luck.sample(proofs, luck.randint(0, len(proofs)))))
        self._apply([*before_proof(changes), *ready])

    @rule(luck=SEEDS, prune=SOME)
    def a_run_is_half_blind(self, luck: random.Random, prune: bool) -> None:
        seen = self.world
        for through in luck.sample(_LOOKS, luck.randint(1, 3)):
            seen = unseen(seen, through)
        self._apply(plan(self.fleet, seen, prune=prune).changes)

    @rule(prune=SOME)
    def a_run_comes_to_its_end(self, prune: bool) -> None:
        before, planned = self.world, plan(self.fleet, self.world, prune=prune)
        self._apply(planned.changes)
        again = plan(self.fleet, self.world, prune=prune)
        if brings_to_light(before, planned.changes):
            assert all(change.takes_away for change in again.changes)
            self._apply(again.changes)
            again = plan(self.fleet, self.world, prune=prune)
        assert again.changes == ()
        assert {hold.key for hold in again.holds} == {hold.key for hold in planned.holds}

    def _apply(self, changes: Sequence[Change]) -> None:
        """Carry out, after a look at what is about to go, and before one at what others have."""
        named = {id(self.world.find(item.resource)) for item in wanted(self.fleet, self.world)}
        for change in changes:
            if change.takes_away:
                going = find(self.world, change.resource)
                assert not is_foreign(self.fleet, self.world, going), change.key
                assert id(going) not in named, change.key
        adopted = {item.resource.key for item in wanted(self.fleet, self.world) if item.adopt}
        theirs = [found for found in self.world.found if not found.ours and found.resource.key not in adopted]
        self.world = applied(self.world, changes, self._anew())
        for found in theirs:
            assert any(one == found for one in self.world.found), found.resource.key

    def _replace(self, luck: random.Random, become: Callable[[Found], list[Found]]) -> None:
        """One object becomes another, unless that is there already."""
        if not self.world.found:
            return
        old = luck.choice(self.world.found)
        others = [one for one in self.world.found if one is not old]
        choices = [
            new
            for new in become(old)
            if not any(is_it(one.resource, new.resource) or _same(one, new) for one in others)
        ]
        if choices:
            new = luck.choice(choices)
            deleted = new.resource.name if isinstance(new.resource, Vault) and new.resource.soft_deleted else None
            there = (one for one in others if deleted is None or getattr(one.resource, "vault", None) != deleted)
            self.world = with_found(self.world, (*there, new))

    def _anew(self) -> str:
        self.generation += 1
        return f"new-{self.generation}"


def _taken_over(found: Found) -> list[Found]:
    """The object as somebody else's."""
    resource = found.resource
    if isinstance(resource, FederatedIdentityCredential):
        return [found.model_copy(update={"resource": resource.model_copy(update={"name": BY_HAND})})]
    if isinstance(resource, RoleAssignment):
        return [found.model_copy(update={"ours": False})]
    return foreign(found)


def _same(one: Found, other: Found) -> bool:
    """Whether both are the same trust, which an identity may have only once."""
    trusts = [
        (found.resource.place, found.resource.issuer, found.resource.subject)
        for found in (one, other)
        if isinstance(found.resource, FederatedIdentityCredential)
    ]
    return len(trusts) == 2 and trusts[0] == trusts[1]


LongTime.TestCase.settings = settings(max_examples=WALKS, stateful_step_count=STEPS)
test_whatever_came_before_one_run_brings_the_world_to_what_the_file_says = LongTime.TestCase
