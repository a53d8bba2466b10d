"""What a person has to know of a workload that moves, and of what stays behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .set_up import Kind, Owner, Scope, SetUp, matches


@dataclass(frozen=True)
class Matter:
    """What a person has to know, or to decide."""

    about: str
    says: str
    do: str

    def __str__(self) -> str:
        return f"{self.about}: {self.says}. {self.do}"


def about_kind(owner: Owner) -> list[Matter]:
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
    if owner.made_by:
        says = f"is made by {owner.made_by}, a kind that is not known here"
        matters = [Matter(str(owner), says, "Bring the label and the ServiceAccount there; --switch leaves it alone")]
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


def about_place(set_up: SetUp, owner: Owner) -> Iterable[Matter]:
    for match in matches(set_up, owner):
        if set_up.scope is Scope.UNKNOWN and match.binding.namespace != owner.namespace:
            says = f"selects {owner} in another namespace, which Pod Identity allows only where it is not namespaced"
            yield Matter(
                str(match.binding), says, "Make sure that it works today: what runs Pod Identity was not found here"
            )


def beside(set_up: SetUp, namespace: str | None) -> Iterable[Matter]:
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
