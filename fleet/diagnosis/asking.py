"""The questions that a fleet file asks: one for every workload on every cluster."""

from __future__ import annotations

from collections.abc import Iterator

from fleet import naming
from fleet.observed import Observed
from fleet.spec import Fleet, IdentityKind
from fleet.wanted import identity_key

from .evidence import Question


def questions(fleet: Fleet, observed: Observed, workload: str = "", cluster: str = "") -> Iterator[Question]:
    """Those of one ``workload``, NAMESPACE/SERVICE_ACCOUNT, and of one ``cluster``; '' is all of them."""
    subjects: dict[str, set[str]] = {}
    for each in fleet.workloads:
        subjects.setdefault(each.identity, set()).add(naming.subject(each.namespace, each.service_account))
    for each in fleet.workloads:
        if workload and workload != str(each):
            continue
        identity, check = fleet.identity(each.identity), fleet.check(each)
        own = naming.subject(each.namespace, each.service_account)
        for name in each.clusters:
            if cluster and cluster != name:
                continue
            yield Question(
                cluster=name,
                namespace=each.namespace,
                service_account=each.service_account,
                tenant_id=observed.tenancy.tenant_id,
                deployment=each.deployment.name if each.deployment else "",
                identity=identity.name,
                managed=identity.kind is IdentityKind.MANAGED_IDENTITY,
                client_id=observed.output(identity_key(identity), "client_id") or "",
                vault=check.vault if check else "",
                secret=check.secret if check else "",
                others=frozenset(subjects[each.identity] - {own}),
                clusters=frozenset(each.clusters),
                skip_containers=";".join(each.deployment.skip_containers) if each.deployment else None,
            )
