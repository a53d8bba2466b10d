"""Whether the identity is there, has a service principal in the tenant, and may sign in."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.webhook_contract import CLIENT_ID

from .accounts import NEW_SECONDS, annotated_seconds_ago, is_new
from .evidence import Evidence, annotations_of
from .report import Cause, Link


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the identity."""
    if not evidence.sees(Link.IDENTITY):
        return
    identity, question = evidence.identity, evidence.question
    name = question.identity or annotations_of(evidence.account).get(CLIENT_ID, "")
    if identity is None or (question.identity and evidence.meant is None):
        yield from _absent(evidence, f"identity {name}")
        return
    where = f"identity {identity.name}"
    if identity.principal_id is None:
        yield Cause(
            name="principal-missing",
            link=Link.IDENTITY,
            where=where,
            what="its application has no service principal in this tenant, so that nobody can sign in as it",
            evidence=(f"client id {identity.client_id}",),
            mend=f"az ad sp create --id {identity.client_id}",
        )
    elif not identity.enabled:
        yield Cause(
            name="principal-disabled",
            link=Link.IDENTITY,
            where=where,
            what="its service principal is disabled for sign-in",
            evidence=("accountEnabled: false",),
            mend=f"az ad sp update --id {identity.principal_id} --set accountEnabled=true",
        )


def _absent(evidence: Evidence, where: str) -> Iterator[Cause]:
    client_id = annotations_of(evidence.account).get(CLIENT_ID, "")
    if evidence.binned:
        yield Cause(
            name="identity-deleted",
            link=Link.IDENTITY,
            where=where,
            what="its application is deleted, and its service principal with it",
            evidence=(f"client id {client_id} is among the tenant's deleted applications",),
            mend="restore it within 30 days: az rest --method POST --url "
            "https://graph.microsoft.com/v1.0/directory/deletedItems/OBJECT_ID/restore",
        )
    elif evidence.question.managed and client_id:
        yield Cause(
            name="identity-deleted",
            link=Link.IDENTITY,
            where=where,
            what="its managed identity is gone, and its service principal with it",
            evidence=(f"no managed identity of the subscription has the client id {client_id}",),
            mend="workload-identity reconcile FLEET makes it anew, with another client id",
        )
    elif client_id and is_new(evidence):
        age = annotated_seconds_ago(evidence) or 0.0
        yield Cause(
            name="identity-not-replicated",
            link=Link.IDENTITY,
            where=where,
            what="it was made just now and is not known everywhere yet",
            evidence=(
                f"its client id was noted {age:.0f} s ago, and is neither in the directory nor among the deleted",
            ),
            mend="wait: a new identity may take 3 to 4 minutes, seldom 15",
            wait_seconds=max(NEW_SECONDS / 3 - age, 30.0),
        )
    elif evidence.question.identity:
        yield Cause(
            name="identity-missing",
            link=Link.IDENTITY,
            where=where,
            what="it does not exist, neither in the directory nor among the deleted",
            mend="workload-identity reconcile FLEET makes it",
        )
