"""Whether the ServiceAccount says whose identity its pods have, in words that the webhook understands."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.webhook_contract import CLIENT_ID, LONGEST_TOKEN, SHORTEST_TOKEN, TENANT_ID, TOKEN_EXPIRATION

from .difference import difference, shown
from .evidence import Evidence, annotations_of
from .report import Cause, Link

NEW_SECONDS = 900.0
"""For so long after an identity was made, a copy of the directory that does not know it is no wonder."""
_BY_HAND = ("kubectl",)


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the ServiceAccount."""
    if not evidence.sees(Link.ACCOUNT):
        return
    question = evidence.question
    where = f"ServiceAccount {question.namespace}/{question.service_account}"
    if evidence.account is None:
        yield Cause(
            name="account-missing",
            link=Link.ACCOUNT,
            where=where,
            what="it does not exist: new pods that name it are refused, and no token can be had",
            mend=f"kubectl -n {question.namespace} create serviceaccount {question.service_account}, then annotate it",
        )
        return
    yield from _client_id(where, evidence)
    yield from _tenant_id(where, evidence)
    yield from expiration(where, Link.ACCOUNT, evidence.account, _annotate(evidence, f"{TOKEN_EXPIRATION}=3600"))


def _client_id(where: str, evidence: Evidence) -> Iterator[Cause]:
    value = annotations_of(evidence.account).get(CLIENT_ID)
    meant = evidence.meant.client_id if evidence.meant else evidence.question.client_id
    mend = _annotate(evidence, f"{CLIENT_ID}={meant or 'CLIENT_ID'}")
    if not value:
        yield Cause(
            name="client-id-missing",
            link=Link.ACCOUNT,
            where=where,
            what=f"it has no annotation {CLIENT_ID}, so that its pods are given no AZURE_CLIENT_ID",
            mend=mend,
        )
        return
    if meant and value == meant:
        return
    seen = [f"{CLIENT_ID}: {shown(value)}"] + ([f"expected: {shown(meant)}"] if meant else [])
    name, what = _whose(evidence, value, meant)
    if name:
        yield Cause(name=name, link=Link.ACCOUNT, where=where, what=what, evidence=tuple(seen), mend=mend)


def _whose(evidence: Evidence, value: str, meant: str) -> tuple[str, str]:
    """The name of what is wrong with a client id, and the sentence; '' where nothing is, or another judge says it."""
    if value != value.strip():
        return "client-id-space", "its client id begins or ends with white space, and is nobody's that way"
    if meant and (way := difference(meant, value)) and way.kind != "other":
        return "client-id-letter", f"its client id is not to the letter that of the identity: {way.told}"
    if evidence.foreign_tenant:
        return "client-id-foreign", (
            f"its client id is of an application of tenant {evidence.foreign_tenant}: only that tenant can let it "
            "trust this cluster"
        )
    if evidence.principal_of:
        return "client-id-object", "its client id is an object id: the application's client id (appId) is another"
    if evidence.annotated is not None:
        other = evidence.annotated
        if meant:
            return "client-id-other", f"its client id is that of another identity, {other.name}"
        return "", ""
    if evidence.binned or not evidence.sees(Link.IDENTITY) or is_new(evidence):
        return "", ""  # of the identity more is to be said
    return (
        "client-id-unknown",
        "its client id is nobody's in this tenant: a typing error, deleted, or of another tenant",
    )


def is_new(evidence: Evidence) -> bool:
    """Whether a program noted the client id so shortly ago that the directory may not know it everywhere yet."""
    seconds = annotated_seconds_ago(evidence)
    return seconds is not None and seconds < NEW_SECONDS


def annotated_seconds_ago(evidence: Evidence) -> float | None:
    """How long ago a program set the client id; None where a person did, or nobody knows."""
    from datetime import datetime

    for entry in (evidence.account or {}).get("metadata", {}).get("managedFields") or ():
        fields = entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:annotations", {})
        if f"f:{CLIENT_ID}" in fields and entry.get("time") and not entry.get("manager", "").startswith(_BY_HAND):
            return (evidence.now - datetime.fromisoformat(entry["time"])).total_seconds()
    return None


def _tenant_id(where: str, evidence: Evidence) -> Iterator[Cause]:
    value, wanted = annotations_of(evidence.account).get(TENANT_ID), evidence.question.tenant_id
    if value is None or value == wanted:
        return
    mend = _annotate(evidence, f"{TENANT_ID}={wanted}")
    if not value:
        yield Cause(
            name="tenant-id-empty",
            link=Link.ACCOUNT,
            where=where,
            what=f"its annotation {TENANT_ID} is there and empty, which takes AZURE_TENANT_ID away from its pods",
            mend=mend,
        )
        return
    yield Cause(
        name="tenant-id-other",
        link=Link.ACCOUNT,
        where=where,
        what="its tenant id is not that of the subscription's tenant",
        evidence=(f"{TENANT_ID}: {shown(value)}", f"the subscription's tenant: {wanted}"),
        mend=mend,
    )


def expiration(where: str, link: Link, item: dict[str, object], mend: str) -> Iterator[Cause]:
    """What is wrong with the life that a ServiceAccount or a pod asks for its tokens; pods are denied over it."""
    value = annotations_of(item).get(TOKEN_EXPIRATION)
    if not value:
        return
    try:
        seconds = int(value)
    except ValueError:
        name, what = (
            "expiration-word",
            f"it asks for tokens that live for {shown(value)}, which is no number of seconds",
        )
    else:
        if SHORTEST_TOKEN <= seconds <= LONGEST_TOKEN:
            return
        name = "expiration-short" if seconds < SHORTEST_TOKEN else "expiration-long"
        what = (
            f"it asks for tokens that live for {seconds} s, and the webhook takes {SHORTEST_TOKEN} to {LONGEST_TOKEN} s"
        )
    yield Cause(name=name, link=link, where=where, what=f"{what}: its pods are denied", mend=mend)


def _annotate(evidence: Evidence, what: str) -> str:
    question = evidence.question
    return f"kubectl -n {question.namespace} annotate serviceaccount {question.service_account} --overwrite {what}"
