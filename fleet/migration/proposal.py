"""What becomes of every workload that Pod Identity serves: whose identity, by which ServiceAccount, and who decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fleet import naming
from fleet.entries import Cluster

from .set_up import DEFAULT, AzureIdentity, Hidden, IdentityType, Kind, Owner, Scope, SetUp, matches

_FLEET_PREFIX = "pod-identity-"
_LONGEST_FLEET = 40


@dataclass(frozen=True)
class RealIdentity:
    """What an AzureIdentity stands for, as Azure knows it."""

    name: str
    client_id: str
    kind: IdentityType = IdentityType.MANAGED_IDENTITY
    resource_group: str = ""
    location: str = ""
    credentials: int = 0
    """Federated credentials of others that it holds already."""


@dataclass(frozen=True)
class Known:
    """What surrounds the cluster in Azure."""

    cluster: Cluster
    subscription: str
    subscription_id: str
    managed: Mapping[str, RealIdentity]
    """Managed identities of the subscription, by their ARM id in lower case."""
    applications: Mapping[str, RealIdentity]
    """Applications of the tenant, by client id in lower case."""
    hidden: tuple[Hidden, ...] = ()

    @property
    def fleet(self) -> str:
        """The name of the fleet that the cluster's workloads become."""
        return (_FLEET_PREFIX + naming.slug(self.cluster.name))[:_LONGEST_FLEET].rstrip("-")


@dataclass(frozen=True)
class Matter:
    """What a person has to know, or to decide."""

    about: str
    says: str
    do: str

    def __str__(self) -> str:
        return f"{self.about}: {self.says}. {self.do}"


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
    found = {owner: _identities(set_up, known, owner) for owner in set_up.owners if owner.label is not None}
    names = _Names(set_up, known, {owner: choices for owner, (choices, _) in found.items()})
    proposals = [
        _proposal(set_up, names, owner, *found[owner])
        for owner in sorted(found, key=lambda each: (each.namespace, each.name, each.kind))
        if namespace in (None, owner.namespace) and matches(set_up, owner)
    ]
    return Migration(
        known,
        tuple(_within_budget(_with_one_identity_of_a_name(_without_namesakes(proposals)))),
        tuple(_beside(set_up, namespace)),
        (*set_up.hidden, *known.hidden),
    )


Found = tuple[tuple[RealIdentity, ...], tuple[Matter, ...]]


def _identities(set_up: SetUp, known: Known, owner: Owner) -> Found:
    """The different identities that bindings give an owner, and what is wrong with those that cannot be had."""
    choices: dict[RealIdentity, None] = {}
    matters: list[Matter] = []
    for match in matches(set_up, owner):
        if match.identity is None:
            missing = f"{match.binding.namespace}/{match.binding.identity}"
            says, do = f"selects {owner}, and names AzureIdentity {missing}, which ", "Correct or remove the binding"
            if set_up.hides("AzureIdentity"):
                says, do = says + "cannot be seen", "Let the operator list AzureIdentities"
            else:
                says += "is not there"
            matters.append(Matter(str(match.binding), says, do))
            continue
        real, matter = _real(known, match.identity)
        if real is not None:
            choices[real] = None
        if matter is not None:
            matters.append(matter)
    return tuple(choices), tuple(matters)


def _real(known: Known, identity: AzureIdentity) -> tuple[RealIdentity | None, Matter | None]:
    about = str(identity)
    if identity.type in (IdentityType.SERVICE_PRINCIPAL, IdentityType.CERTIFICATE):
        return _application(known, identity)
    if identity.type != IdentityType.MANAGED_IDENTITY:
        return None, Matter(about, f"is of type {identity.type}, which is none", "Correct its spec.type: 0, 1 or 2")
    parts = identity.resource_id.split("/")
    if len(parts) < 9 or parts[7].lower() != "userassignedidentities":
        says = f"has the resource id '{identity.resource_id}', which is no managed identity's"
        return None, Matter(about, says, "Correct its spec.resourceID")
    if parts[2].lower() != known.subscription_id.lower():
        says = f"is managed identity {parts[8]} of subscription {parts[2]}, and a fleet is of one subscription"
        return None, Matter(about, says, "Write a fleet file of its own for that subscription, or move the identity")
    real = known.managed.get(identity.resource_id.lower())
    if real is None:
        if any(hidden.link == "managed identities" for hidden in known.hidden):
            return None, Matter(about, "cannot be compared with Azure", "Let the operator see managed identities")
        says = f"names managed identity {parts[8]} in {parts[4]}, which is not there"
        return None, Matter(about, says, "Remove the AzureIdentity, or make the identity anew with its roles")
    if identity.client_id and identity.client_id.lower() != real.client_id.lower():
        says = f"says client id {identity.client_id}, and {real.name} has {real.client_id}"
        return real, Matter(about, says, "The identity was made anew: its roles too? Azure's client id is taken")
    return real, None


def _application(known: Known, identity: AzureIdentity) -> tuple[RealIdentity | None, Matter]:
    secret = "client secret" if identity.type == IdentityType.SERVICE_PRINCIPAL else "certificate"
    real = known.applications.get(identity.client_id.lower())
    if real is None:
        says = f"signs in with a {secret} as application {identity.client_id}, which is not seen in this tenant"
        return None, Matter(str(identity), says, "Look for it with az ad app show --id, also in other tenants")
    says = f"signs in with a {secret} as application {real.name}: federated, it needs none"
    do = f"Agree to adopt the application by its lines in the fleet file; afterwards delete the {secret}"
    return real, Matter(str(identity), says, do)


def _proposal(
    set_up: SetUp, names: _Names, owner: Owner, choices: tuple[RealIdentity, ...], wrong: tuple[Matter, ...]
) -> Proposal:
    name, own, about_name = names.of(owner)
    matters = [*wrong, *about_name, *_about_kind(owner), *_about_place(set_up, owner)]
    undecided = ""
    bindings = matches(set_up, owner)
    if len(choices) > 1:
        undecided = f"{len(bindings)} bindings select it, for {', '.join(sorted(real.name for real in choices))}"
        do = "Choose one in the fleet file; an application that uses several names each by its client id"
        matters.append(Matter(str(owner), undecided, do))
    elif not choices:
        undecided = "no identity that it could have"
    elif choices[0].kind is not IdentityType.MANAGED_IDENTITY:
        undecided = f"application {choices[0].name} is adopted only where you say so"
    if passing := next((one for one in set_up.exceptions if one.covers(owner)), None):
        undecided = undecided or f"{passing} lets its pods past Pod Identity, to the node's identity"
        says = "is selected by a binding, and lets its pods past Pod Identity all the same"
        matters.append(
            Matter(f"{passing} and {owner}", says, "Decide which identity it is to have, the binding's or the node's")
        )
    return Proposal(owner, name, choices, own, tuple(matters), undecided)


class _Names:
    """The ServiceAccount of each owner: its own where the one that it has would be trusted for strangers too."""

    def __init__(self, set_up: SetUp, known: Known, choices: Mapping[Owner, tuple[RealIdentity, ...]]) -> None:
        self._fleet, self._choices = known.fleet, choices
        self._accounts = {(account.namespace, account.name): account for account in set_up.accounts}
        self._users: dict[tuple[str, str], list[Owner]] = {}
        for owner in set_up.owners:
            self._users.setdefault((owner.namespace, owner.former_service_account), []).append(owner)

    def of(self, owner: Owner) -> tuple[str, bool, list[Matter]]:
        """Its name, whether it is new, and what to know about it."""
        former = owner.former_service_account
        strangers = [
            other
            for other in self._users[(owner.namespace, former)]
            if other != owner and set(self._choices.get(other, ())) != set(self._choices.get(owner, ()))
        ]
        if former != DEFAULT and not strangers:
            return former, False, []
        name, clash = self._free(owner)
        matters = [self._own(owner, former, name, strangers)]
        if clash:
            says = f"would get ServiceAccount {owner.name}, and that is there for somebody else: it gets {name}"
            matters.append(
                Matter(str(owner), says, "Rename it in the fleet file if you like; --switch goes by the file")
            )
        return name, True, matters

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
            matter = Matter(str(proposal.owner), says, "Rename it in the fleet file if you like")
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


def _about_kind(owner: Owner) -> list[Matter]:
    """What a switch cannot do to the pods of this kind."""
    told = {
        Kind.POD: (
            "is a pod that nothing makes anew, and a running pod cannot be changed",
            "Make it anew with the ServiceAccount and the label; --switch leaves it alone",
        ),
        Kind.JOB: (
            "is a Job, whose template cannot be changed",
            "Make the next one with the ServiceAccount and the label; --switch leaves it alone",
        ),
        Kind.REPLICA_SET: ("replaces no pods when its template changes", "After --switch, delete its pods one by one"),
        Kind.REPLICATION_CONTROLLER: (
            "replaces no pods when its template changes",
            "After --switch, delete its pods one by one",
        ),
    }.get(owner.kind)
    if told is None and owner.on_delete:
        told = ("replaces its pods only when they are deleted (OnDelete)", "After --switch, delete its pods one by one")
    matters = [Matter(str(owner), *told)] if told else []
    if owner.managers:
        who = ", ".join(owner.managers)
        says = f"has a template that {who} write{'s' * (len(owner.managers) == 1)}"
        matters.append(
            Matter(
                str(owner),
                says,
                "Bring the label and the ServiceAccount there too, or the next rollout takes them back",
            )
        )
    if owner.host_network:
        says = "uses the host's network, where the proxy sidecar is refused"
        matters.append(Matter(str(owner), says, "Switch it without --proxy, with an SDK that knows Workload Identity"))
    return matters


def _about_place(set_up: SetUp, owner: Owner) -> Iterable[Matter]:
    for match in matches(set_up, owner):
        if set_up.scope is Scope.UNKNOWN and match.binding.namespace != owner.namespace:
            says = f"selects {owner} in another namespace, which Pod Identity allows only where it is not namespaced"
            yield Matter(
                str(match.binding), says, "Make sure that it works today: what runs Pod Identity was not found here"
            )


def _beside(set_up: SetUp, namespace: str | None) -> Iterable[Matter]:
    """What belongs to no workload that moves."""
    owners = [owner for owner in set_up.owners if namespace in (None, owner.namespace)]
    for owner in owners:
        if owner.label is not None and not matches(set_up, owner) and not set_up.hides("AzureIdentityBinding"):
            yield Matter(
                str(owner),
                f"has the label aadpodidbinding={owner.label}, which no binding selects",
                "Nothing to move: remove the label",
            )
    selecting = {match.binding for owner in set_up.owners for match in matches(set_up, owner)}
    for binding in set_up.bindings:
        if namespace in (None, binding.namespace) and binding not in selecting:
            yield Matter(str(binding), "selects nothing that is there", "--cleanup can take it away")
    for exception in set_up.exceptions:
        if namespace in (None, exception.namespace):
            covered = ", ".join(str(owner) for owner in owners if exception.covers(owner)) or "nothing that is there"
            says = f"lets {covered} past Pod Identity, to the node's own identity"
            yield Matter(
                str(exception), says, "Nothing to move; it is needed for as long as Pod Identity runs on the nodes"
            )
