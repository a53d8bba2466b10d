"""What becomes of every workload that Pod Identity serves: whose identity, by which ServiceAccount, and who decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet import naming

from .identities import Known, RealIdentity, choices_of
from .matters import Matter, about_kind, about_place, beside
from .set_up import DEFAULT, Hidden, IdentityType, Kind, Owner, SetUp, matches


@dataclass(frozen=True)
class Proposal:
    """What one workload is to have. With one identity it goes into the fleet file, else a person decides."""

    owner: Owner
    service_account: str
    choices: tuple[RealIdentity, ...]
    own: bool
    """Whether the ServiceAccount is a new one, for this workload alone."""
    matters: tuple[Matter, ...] = ()
    undecided: str = ""
    """Why it is not in the fleet file as it stands."""

    @property
    def identity(self) -> RealIdentity | None:
        """The identity, where nobody needs to decide."""
        return self.choices[0] if len(self.choices) == 1 and not self.undecided else None


@dataclass(frozen=True)
class Migration:
    """What becomes of a cluster's Pod Identity."""

    known: Known
    proposals: tuple[Proposal, ...]
    matters: tuple[Matter, ...]
    """Of the cluster as a whole, and of what no proposal is about."""
    hidden: tuple[Hidden, ...] = ()

    @property
    def everything_to_know(self) -> tuple[Matter, ...]:
        """All matters, each once."""
        of_owners = (matter for proposal in self.proposals for matter in proposal.matters)
        return tuple(dict.fromkeys((*self.matters, *of_owners)))


def propose(set_up: SetUp, known: Known, namespace: str | None = None) -> Migration:
    """What becomes of every workload that a binding selects, in all namespaces or in one."""
    found = {owner: choices_of(set_up, known, owner) for owner in set_up.owners if owner.label is not None}
    names = _Names(set_up, known, {owner: choices for owner, (choices, _) in found.items()})
    proposals = [
        _proposal(known, set_up, names, owner, *found[owner])
        for owner in sorted(found, key=lambda each: (each.namespace, each.name, each.kind))
        if namespace in (None, owner.namespace) and matches(set_up, owner)
    ]
    return Migration(
        known,
        tuple(_within_budget(_with_one_identity_of_a_name(_without_namesakes(proposals)))),
        tuple(beside(set_up, namespace)),
        (*set_up.hidden, *known.hidden),
    )


def _proposal(
    known: Known,
    set_up: SetUp,
    names: _Names,
    owner: Owner,
    choices: tuple[RealIdentity, ...],
    wrong: tuple[Matter, ...],
) -> Proposal:
    name, own, about_name = names.of(owner)
    matters = [*wrong, *about_name, *about_kind(owner), *about_place(set_up, owner)]
    undecided = ""
    bindings = matches(set_up, owner)
    if len(choices) > 1:
        undecided = f"{len(bindings)} bindings select it, for {', '.join(sorted(real.name for real in choices))}"
        do = "Choose one in the fleet file. For an application that uses several, federate the others by hand"
        matters.append(Matter(str(owner), undecided, do))
    elif not choices:
        undecided = "no identity that it could have"
    elif choices[0].kind is not IdentityType.MANAGED_IDENTITY:
        undecided = f"application {choices[0].name} is adopted only where you say so"
    if (there := names.annotated(owner, name)) and len(choices) == 1 and there != choices[0].client_id.lower():
        undecided = undecided or f"ServiceAccount {name} is annotated with another client id, {there}"
        do = "Decide which it is to be: its pods may have moved already, by other hands"
        matters.append(Matter(str(owner), undecided, do))
    if theirs := _of_another_fleet(known, set_up, owner, name, choices):
        undecided = undecided or theirs
        do = "Write this cluster and its workloads into that fleet's file: two fleets would take it from each other"
        matters.append(Matter(str(owner), theirs, do))
    if passing := next((one for one in set_up.exceptions if one.covers(owner)), None):
        undecided = undecided or f"{passing} lets its pods past Pod Identity, to the node's identity"
        says = "is selected by a binding, and lets its pods past Pod Identity all the same"
        matters.append(
            Matter(f"{passing} and {owner}", says, "Decide which identity it is to have, the binding's or the node's")
        )
    return Proposal(owner, name, choices, own, tuple(matters), undecided)


def _of_another_fleet(known: Known, set_up: SetUp, owner: Owner, name: str, choices: tuple[RealIdentity, ...]) -> str:
    """What of a workload's chain carries the mark of another fleet; empty where nothing does."""
    for real in choices if len(choices) == 1 else ():
        if real.fleet not in (None, known.fleet):
            return f"{real.name} belongs to the fleet {real.fleet}"
    for account in set_up.accounts:
        if (account.namespace, account.name) == (owner.namespace, name) and account.fleet not in (None, known.fleet):
            return f"ServiceAccount {name} belongs to the fleet {account.fleet}"
    return ""


class _Names:
    """The ServiceAccount of each owner: its own where the one that it has would be trusted for strangers too."""

    def __init__(self, set_up: SetUp, known: Known, choices: Mapping[Owner, tuple[RealIdentity, ...]]) -> None:
        self._fleet, self._choices = known.fleet, choices
        self._unseen = ", ".join(kind for kind in Kind if set_up.hides(kind))
        self._accounts = {(account.namespace, account.name): account for account in set_up.accounts}
        self._users: dict[tuple[str, str], list[Owner]] = {}
        for owner in set_up.owners:
            self._users.setdefault((owner.namespace, owner.former_service_account), []).append(owner)

    def annotated(self, owner: Owner, name: str) -> str:
        """The client id that somebody else has annotated a ServiceAccount with; empty where nobody has."""
        account = self._accounts.get((owner.namespace, name))
        return (account.client_id or "").lower() if account is not None and account.fleet is None else ""

    def of(self, owner: Owner) -> tuple[str, bool, list[Matter]]:
        """Its name, whether it is new, and what to know about it."""
        former = owner.former_service_account
        strangers = [
            other
            for other in self._users[(owner.namespace, former)]
            if other != owner and set(self._choices.get(other, ())) != set(self._choices.get(owner, ()))
        ]
        if former != DEFAULT and not strangers:
            return former, False, self._unsure(owner, former)
        name, clash = self._free(owner)
        matters = [self._own(owner, former, name, strangers)]
        if clash:
            says = f"would get ServiceAccount {owner.name}, and that is there for somebody else: it gets {name}"
            matters.append(Matter(str(owner), says, "Look what the other one is for, if the names confuse you"))
        return name, True, matters

    def _unsure(self, owner: Owner, former: str) -> list[Matter]:
        """Whether strangers run as a ServiceAccount that is kept, where not every kind of owner can be seen."""
        if not self._unseen:
            return []
        says = f"keeps ServiceAccount {former}, and whether others use it cannot be told without {self._unseen}"
        return [Matter(str(owner), says, "Let the operator list them, or look for yourself")]

    def _own(self, owner: Owner, former: str, name: str, strangers: list[Owner]) -> Matter:
        who = ", ".join(str(other) for other in strangers[:3]) + (" and others" if len(strangers) > 3 else "")
        why = f"which {who} use{'s' * (len(strangers) == 1)} too" if strangers else "which any pod has that names none"
        says = f"runs as ServiceAccount {former}, {why}: it gets {name}, of its own"
        account = self._accounts.get((owner.namespace, former))
        left = [
            *(account.roles if account else ()),
            *(f"pull secret {one}" for one in (account.pull_secrets if account else ())),
        ]
        do = (
            f"Give {name} what does not come along: {', '.join(left)}"
            if left
            else f"Nothing is bound to {former} that it would lose"
        )
        return Matter(str(owner), says, do)

    def _free(self, owner: Owner) -> tuple[str, bool]:
        """A name that nobody else has; of those that we made earlier, the same again."""
        candidates = (owner.name, f"{owner.name}-{owner.kind.lower()}", f"{owner.name}-{owner.kind.lower()}-identity")
        for candidate in candidates:
            account = self._accounts.get((owner.namespace, candidate))
            if account is None or account.fleet == self._fleet:
                return candidate, candidate != owner.name
        return candidates[-1], True


def _without_namesakes(proposals: Iterable[Proposal]) -> list[Proposal]:
    """Two owners of one name and different kinds do not get one ServiceAccount, unless it is one already."""
    taken: dict[tuple[str, str], Proposal] = {}
    result = []
    for proposal in proposals:
        place = (proposal.owner.namespace, proposal.service_account)
        if place in taken and (proposal.own or taken[place].own):
            name = f"{proposal.owner.name}-{proposal.owner.kind.lower()}"
            says = f"has the name of {taken[place].owner}: its ServiceAccount is {name}"
            matter = Matter(str(proposal.owner), says, "Nothing else to do")
            proposal = Proposal(
                proposal.owner, name, proposal.choices, True, (*proposal.matters, matter), proposal.undecided
            )
        taken.setdefault((proposal.owner.namespace, proposal.service_account), proposal)
        result.append(proposal)
    return result


def _with_one_identity_of_a_name(proposals: Iterable[Proposal]) -> Iterable[Proposal]:
    """A fleet file has one identity of each name, written as a fleet file may; another is left to a person."""
    first: dict[str, RealIdentity] = {}
    for proposal in proposals:
        real = proposal.identity
        if real is None:
            yield proposal
        elif not naming.DISPLAY_NAME.fullmatch(real.name):
            yield _left_open(proposal, f"{real.name} is no name that a fleet file can hold", "Rename the identity")
        elif (other := first.setdefault(real.name.lower(), real)) != real:
            clash = f"{real.name} in {real.resource_group} has the name of another identity, in {other.resource_group}"
            yield _left_open(proposal, clash, "Write a second fleet file for it: a fleet has one identity of each name")
        else:
            yield proposal


def _left_open(proposal: Proposal, why: str, do: str) -> Proposal:
    matter = Matter(str(proposal.owner), why, do)
    return replace(proposal, matters=(*proposal.matters, matter), undecided=why)


def _within_budget(proposals: Iterable[Proposal]) -> Iterable[Proposal]:
    """What is beyond the 20 federated credentials of an identity is left to a person, the last by name first."""
    held: dict[RealIdentity, set[tuple[str, str]]] = {}
    for proposal in proposals:
        real = proposal.identity
        if real is not None:
            subjects = held.setdefault(real, set())
            subjects.add((proposal.owner.namespace, proposal.service_account))
            if real.credentials + len(subjects) > naming.MAX_FEDERATED_CREDENTIALS:
                subjects.discard((proposal.owner.namespace, proposal.service_account))
                full = f"{real.name} holds {real.credentials + len(subjects)} federated credentials, as many as it may"
                do = "Let workloads of one namespace share a ServiceAccount, or give it an identity of its own"
                yield _left_open(proposal, full, do)
                continue
        yield proposal
