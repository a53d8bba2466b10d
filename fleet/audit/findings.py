"""The rules of an audit, and what was found against them."""

from __future__ import annotations

from enum import StrEnum

from fleet.fields import Model


class Level(StrEnum):
    """How bad it is, as SARIF names it."""

    ERROR = "error"
    """Somebody may become somebody else by it."""
    WARNING = "warning"
    """More is allowed than is needed."""
    NOTE = "note"
    """It cannot be told from here whether it is wrong."""


class Rule(StrEnum):
    """What an audit looks for. The value is the rule's id, which never means another thing."""

    ISSUER_UNKNOWN = "WI001"
    NAMESPACE_GONE = "WI002"
    ACCOUNT_GONE = "WI003"
    PASSWORD_KEPT = "WI004"
    WIDER_THAN_SPEC = "WI005"
    CLIENT_ID_OF_NOBODY = "WI006"
    VAULT_READ_BY_IDLE = "WI007"
    ACCOUNT_CAN_BE_MADE = "WI008"


TITLES = {
    Rule.ISSUER_UNKNOWN: "A federated credential trusts an issuer of no cluster that is known",
    Rule.NAMESPACE_GONE: "A federated credential trusts a namespace that is not there",
    Rule.ACCOUNT_GONE: "A federated credential trusts a ServiceAccount that is not there",
    Rule.PASSWORD_KEPT: "An application is federated and still has a client secret or a certificate",
    Rule.WIDER_THAN_SPEC: "An identity may do more than the fleet file says",
    Rule.CLIENT_ID_OF_NOBODY: "A ServiceAccount is annotated with a client id of nobody",
    Rule.VAULT_READ_BY_IDLE: "A vault's secrets can be read by an identity that no workload uses",
    Rule.ACCOUNT_CAN_BE_MADE: "Members of a namespace may act as a ServiceAccount that a credential trusts",
}
WHY = {
    Rule.ISSUER_UNKNOWN: "Whoever holds that issuer's keys, or takes over its address, signs in as the identity",
    Rule.NAMESPACE_GONE: "Whoever may make the namespace anew gets the identity with it",
    Rule.ACCOUNT_GONE: "Whoever may make the ServiceAccount anew gets the identity with it",
    Rule.PASSWORD_KEPT: "Federation was to make passwords needless; one that leaks is good anywhere",
    Rule.WIDER_THAN_SPEC: "A workload that is broken into is worth what its identity may do",
    Rule.CLIENT_ID_OF_NOBODY: "The workload cannot sign in, and whoever gets that client id inherits it",
    Rule.VAULT_READ_BY_IDLE: "Access that nobody uses is missed by nobody when it is abused",
    Rule.ACCOUNT_CAN_BE_MADE: "They sign in as the identity without being asked",
}
"""Why a rule matters, one sentence each."""


class AuditFinding(Model):
    """One thing that was found."""

    rule: Rule
    level: Level
    where: str
    """The object, unique with ``rule``: ``identity shop-web/credential NAME``."""
    what: str
    """What is wrong with it, as a sentence without its full stop."""
    advice: str
    """The command or line of the fleet file that puts it right."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Audit(Model):
    """The outcome."""

    fleet: str
    findings: tuple[AuditFinding, ...] = ()
    not_seen: tuple[str, ...] = ()
    """What could not be looked at, and what is needed to."""
