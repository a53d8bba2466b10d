"""Whether what runs as the ServiceAccount asks for the webhook, and has what a new pod would be given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from fleet.resources import RunningPod
from fleet.running import account_of, anew, owner_of, reading, runs, skipped
from fleet.webhook_contract import CLIENT_ID, SKIP_CONTAINERS, TENANT_ID, USE

from .accounts import expiration
from .evidence import Evidence, Json, annotations_of, labels_of
from .report import Cause, Link


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the workload's templates, and with pods that their template does not explain."""
    if not evidence.sees(Link.WORKLOAD):
        return
    yield from _elsewhere(evidence)
    faulty: set[str] = set()
    for deployment in _deployments(evidence):
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]
        causes = list(_template(evidence, f"Deployment {name}", template))
        if causes:
            faulty.add(name)
        yield from causes
    for pod in _pods(evidence):
        kind, owner = owner_of(pod)
        if kind == "Deployment" and owner in faulty:
            continue
        if kind == "Pod":
            yield from _template(evidence, f"pod {owner}", pod)
        yield from _stale(evidence, pod)


def _deployments(evidence: Evidence) -> list[Json]:
    account = evidence.question.service_account
    return [one for one in evidence.deployments if account_of(one["spec"]["template"]) == account]


def _pods(evidence: Evidence) -> list[Json]:
    question = evidence.question
    return [
        pod
        for pod in evidence.pods
        if (pod["metadata"]["name"] == question.pod if question.pod else account_of(pod) == question.service_account)
        and runs(pod)
    ]


def _elsewhere(evidence: Evidence) -> Iterator[Cause]:
    """A Deployment that should run as the ServiceAccount, and runs as another."""
    question = evidence.question
    if _deployments(evidence) or (not question.deployment and _pods(evidence)):
        return
    for deployment in evidence.deployments:
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]
        meant = name == question.deployment if question.deployment else _asks_as_nobody(evidence, template)
        if meant:
            yield Cause(
                name="account-other",
                link=Link.WORKLOAD,
                where=f"Deployment {name}",
                what=f"its pods run as the ServiceAccount {account_of(template)}, not as {question.service_account}",
                evidence=(f"serviceAccountName: {template['spec'].get('serviceAccountName') or 'not set'}",),
                mend=f"kubectl -n {question.namespace} set serviceaccount deployment {name} {question.service_account}",
            )


def _asks_as_nobody(evidence: Evidence, template: Json) -> bool:
    """Whether a template asks for the webhook as a ServiceAccount that has no identity."""
    namespace = evidence.question.namespace
    own = (one for one in evidence.accounts if one["metadata"]["namespace"] == namespace)
    with_identity = {one["metadata"]["name"] for one in own if CLIENT_ID in annotations_of(one)}
    return labels_of(template).get(USE) == "true" and account_of(template) not in with_identity


def _template(evidence: Evidence, where: str, template: Json) -> Iterator[Cause]:
    question = evidence.question
    kind, _, name = where.partition(" ")
    value = labels_of(template).get(USE)
    patch = f'kubectl -n {question.namespace} patch {kind.lower()} {name} -p \'{{"spec":{{"template":'
    labelled = f'{patch}{{"metadata":{{"labels":{{"{USE}":"true"}}}}}}}}}}\''
    if value != "true":
        yield _unlabelled(evidence, where, value, labelled)
    passed_by = skipped(template)
    containers = [one["name"] for one in template["spec"].get("containers") or ()]
    allowed = set((question.skip_containers or "").split(";"))
    if containers and all(one in passed_by for one in containers) and not set(containers) <= allowed:
        yield Cause(
            name="containers-skipped",
            link=Link.WORKLOAD,
            where=where,
            what=f"its annotation {SKIP_CONTAINERS} names every container, so that none is given the identity",
            evidence=(
                f"{SKIP_CONTAINERS}: {annotations_of(template)[SKIP_CONTAINERS]}",
                f"containers: {', '.join(containers)}",
            ),
            mend=f'{patch}{{"metadata":{{"annotations":{{"{SKIP_CONTAINERS}":null}}}}}}}}}}\'',
        )
    yield from expiration(where, Link.WORKLOAD, template, "set it to 3600 to 86400 in the pod's annotations")


def _unlabelled(evidence: Evidence, where: str, value: str | None, mend: str) -> Cause:
    if value is not None:
        name, what = (
            "label-value",
            f"its pods' label {USE} is {value!r}, and the webhook asks for 'true', to the letter",
        )
    elif USE in labels_of(evidence.account):
        name = "label-on-account"
        what = f"the label {USE} is on the ServiceAccount, where the webhook has not read it since 1.0, not on the pods"
    else:
        name, what = "label-missing", f'its pods lack the label {USE}: "true", so that the webhook never sees them'
    return Cause(name=name, link=Link.WORKLOAD, where=where, what=what, mend=mend)


def _stale(evidence: Evidence, pod: Json) -> Iterator[Cause]:
    """A pod that asks for the webhook and does not have what a new one would be given."""
    has = reading(pod)
    if has is None:
        return
    what, name = _lack(evidence, pod, has)
    if not name:
        return
    given = {"AZURE_CLIENT_ID": has.client_id, "AZURE_TENANT_ID": has.tenant_id}
    yield Cause(
        name=name,
        link=Link.WORKLOAD,
        where=f"pod {has.name}",
        what=what,
        evidence=(
            f"made {pod['metadata'].get('creationTimestamp')}",
            *(f"{key}={value}" for key, value in given.items() if value is not None),
        ),
        mend=anew(evidence.question.namespace, *owner_of(pod), has.name),
    )


def _lack(evidence: Evidence, pod: Json, has: RunningPod) -> tuple[str, str]:
    if not has.given:
        made, webhook = pod["metadata"].get("creationTimestamp"), evidence.webhook
        at = webhook.configured_at if webhook else None
        if at is not None and made and datetime.fromisoformat(made) > at:
            return "it asks for the webhook and was given nothing: the webhook was away when it was made", (
                "pods-not-mutated"
            )
        return "it is older than the webhook, and was given nothing", "pods-older-than-webhook"
    right = evidence.meant.client_id if evidence.meant else annotations_of(evidence.account).get(CLIENT_ID)
    if right and has.client_id and has.of_before(right, None):
        return "it is older than the ServiceAccount's annotation: it has the client id of before", (
            "pods-older-than-annotation"
        )
    given = _new_tenant(evidence)
    if has.tenant_id and has.tenant_id != evidence.question.tenant_id and has.of_before(None, given):
        return f"it is older than its tenant: it signs in at another, and a new one would at {given}", (
            "pods-older-than-tenant"
        )
    return "", ""


def _new_tenant(evidence: Evidence) -> str | None:
    """Where a new pod would sign in: as the webhook says, or where it does not answer, by what it would read."""
    webhook, annotations = evidence.webhook, annotations_of(evidence.account)
    if webhook is not None and webhook.admitted is not None:
        return webhook.environment.get("AZURE_TENANT_ID")
    if TENANT_ID in annotations:
        return annotations[TENANT_ID] or None
    return webhook.tenant_id if webhook is not None else None
