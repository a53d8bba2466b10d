"""Whether the identity trusts this ServiceAccount's tokens: issuer, subject and audience, compared to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleet import naming

from .difference import Difference, difference, shown
from .evidence import Credential, Evidence, IdentityEvidence
from .report import Cause, Link

_PREFIX = "system:serviceaccount:"
_FIELDS = ("issuer", "subject", "audience")


@dataclass(frozen=True)
class Comparison:
    """A credential beside what Entra is shown."""

    credential: Credential
    issuer: Difference | None
    subject: Difference | None
    audience: Difference | None

    @property
    def differing(self) -> tuple[str, ...]:
        """Which fields differ."""
        return tuple(field for field in _FIELDS if getattr(self, field) is not None)

    @property
    def unlike(self) -> int:
        """Fields that differ by more than a letter."""
        return sum(getattr(self, field).kind == "other" for field in self.differing)


def judge(evidence: Evidence) -> Iterator[Cause]:
    """What is wrong with the identity's federated credentials."""
    identity, issuer = evidence.identity, evidence.cluster.presented
    if identity is None or issuer is None or not evidence.sees(Link.CREDENTIAL):
        return
    compared = [compare(evidence, issuer, one) for one in identity.credentials]
    if matching(evidence):
        return
    where = f"federated credential of {identity.name}"
    nearest = min(
        (one for one in compared if not _is_for_another(evidence, one)),
        key=lambda one: (one.unlike, len(one.differing)),
        default=None,
    )
    if nearest is None or not _means_this(evidence, nearest):
        yield _none(where, evidence, identity, issuer)
        return
    for field in nearest.differing:
        yield _wrong(where, evidence, identity, nearest, field, issuer)


def compare(evidence: Evidence, issuer: str, credential: Credential) -> Comparison:
    """A credential beside this issuer and this ServiceAccount's subject."""
    return Comparison(
        credential,
        difference(issuer, credential.issuer),
        difference(evidence.question.subject, credential.subject),
        difference(naming.AUDIENCE, credential.audience),
    )


def matching(evidence: Evidence) -> list[Credential]:
    """The identity's credentials that are right to the byte."""
    identity, issuer = evidence.identity, evidence.cluster.presented
    if identity is None or issuer is None:
        return []
    return [one for one in identity.credentials if not compare(evidence, issuer, one).differing]


def _is_for_another(evidence: Evidence, compared: Comparison) -> bool:
    """Whether a credential does its work for somebody else, so that it is no wrong one for us."""
    credential, question = compared.credential, evidence.question
    if compared.subject is None:
        other = evidence.cluster.other_issuers.get(credential.issuer)
        return other is not None and other in question.clusters
    if compared.subject.kind != "other":
        return False
    if credential.subject in question.others:
        return True
    there = {naming.subject(one["metadata"]["namespace"], one["metadata"]["name"]) for one in evidence.accounts}
    return compared.issuer is None and credential.subject in there


def _means_this(evidence: Evidence, compared: Comparison) -> bool:
    """Whether a credential was meant for this chain: one thing of it may be quite another, if it can be told why."""
    if compared.unlike == 0:
        return True
    if compared.unlike > 1:
        return False
    subject = compared.subject
    return subject is None or subject.kind != "other" or _subject_name(evidence, compared.credential.subject) != ""


def _subject_name(evidence: Evidence, found: str) -> str:
    """What a subject that is quite another has to do with ours; '' where nothing."""
    question = evidence.question
    if found in (
        f"{question.namespace}:{question.service_account}",
        f"{question.namespace}/{question.service_account}",
    ):
        return "subject-prefix"
    namespace, _, account = found.removeprefix(_PREFIX).partition(":")
    if not found.startswith(_PREFIX) or not account:
        return ""
    if account == question.service_account:
        return "subject-namespace"
    return "subject-account" if namespace == question.namespace else ""


_WHAT = {
    "subject-prefix": f"its subject lacks {_PREFIX}",
    "subject-namespace": "its subject names another namespace",
    "subject-account": "its subject names another ServiceAccount",
}


def _wrong(
    where: str, evidence: Evidence, identity: IdentityEvidence, compared: Comparison, field: str, issuer: str
) -> Cause:
    credential, way = compared.credential, getattr(compared, field)
    wanted = {"issuer": issuer, "subject": evidence.question.subject, "audience": naming.AUDIENCE}[field]
    found = getattr(credential, field)
    name, what = f"{field}-{way.kind}", f"its {field} is not that of the token, to the byte: {way.told}"
    if way.kind == "other":
        name, what = _quite_another(evidence, credential, field)
    return Cause(
        name=name,
        link=Link.CREDENTIAL,
        where=f"{where}, {credential.name}",
        what=what,
        evidence=(f"the credential's {field}: {shown(found)}", f"the token's {field}:      {shown(wanted)}"),
        mend=_update(identity, credential, field, wanted),
    )


def _quite_another(evidence: Evidence, credential: Credential, field: str) -> tuple[str, str]:
    if field == "subject":
        name = _subject_name(evidence, credential.subject)
        return name, _WHAT[name]
    if field == "audience":
        return "audience-other", "it expects an audience that no token of the webhook has"
    issuer = credential.issuer.strip()
    spellings = (issuer, f"{issuer}/", issuer.rstrip("/"), issuer.lower())
    if any(naming.is_federated_credential_name(credential.name, one, evidence.question.subject) for one in spellings):
        # By its name it was right when it was made, and nobody has touched it since: it is the cluster that changed.
        return "cluster-rebuilt", "it trusts the issuer that this cluster had before it was built anew"
    other = evidence.cluster.other_issuers.get(credential.issuer)
    named = f", that of {other}" if other else ", or that of this cluster before it was rebuilt"
    return "issuer-other", f"it trusts another cluster's issuer{named}"


def _none(where: str, evidence: Evidence, identity: IdentityEvidence, issuer: str) -> Cause:
    count, question = len(identity.credentials), evidence.question
    create = _create(identity, issuer, question.subject)
    others = tuple(f"{one.name}: {shown(one.subject)} by {shown(one.issuer)}" for one in identity.credentials[:3])
    if count >= naming.MAX_FEDERATED_CREDENTIALS:
        return Cause(
            name="credential-budget",
            link=Link.CREDENTIAL,
            where=where,
            what=f"it has {count} of {naming.MAX_FEDERATED_CREDENTIALS} credentials, and none for this ServiceAccount",
            evidence=others,
            mend="workload-identity plan FLEET --prune shows orphans among them; or give it an identity of its own",
        )
    return Cause(
        name="credential-missing",
        link=Link.CREDENTIAL,
        where=where,
        what="it has none for this ServiceAccount",
        evidence=others or ("it has none at all",),
        mend=create,
    )


def _side(identity: IdentityEvidence) -> str:
    if identity.is_application:
        return f"az ad app federated-credential {{verb}} --id {identity.client_id}"
    group = identity.object_id.split("/")[4] if identity.object_id.count("/") > 4 else "RESOURCE_GROUP"
    return f"az identity federated-credential {{verb}} --identity-name {identity.name} --resource-group {group}"


def _update(identity: IdentityEvidence, credential: Credential, field: str, wanted: str) -> str:
    side = _side(identity).format(verb="update")
    if identity.is_application:
        value = f'{{"audiences":["{wanted}"]}}' if field == "audience" else f'{{"{field}":"{wanted}"}}'
        return f"{side} --federated-credential-id {credential.name} --parameters '{value}'"
    option = {"issuer": "--issuer", "subject": "--subject", "audience": "--audiences"}[field]
    return f"{side} --name {credential.name} {option} {wanted}"


def _create(identity: IdentityEvidence, issuer: str, subject: str) -> str:
    side = _side(identity).format(verb="create")
    if not identity.is_application:
        return f"{side} --name NAME --issuer {issuer} --subject {subject} --audiences {naming.AUDIENCE}"
    body = f'{{"name":"NAME","issuer":"{issuer}","subject":"{subject}","audiences":["{naming.AUDIENCE}"]}}'
    return f"{side} --parameters '{body}'"
