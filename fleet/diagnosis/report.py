"""What a diagnosis comes to: causes, each with its evidence and what mends it; and what could not be seen."""

from __future__ import annotations

from enum import StrEnum

from fleet.fields import Model

from .evidence import Hidden


class Link(StrEnum):
    """A link of the chain, in its order."""

    CLUSTER = "cluster"
    WEBHOOK = "webhook"
    IDENTITY = "identity"
    CREDENTIAL = "federated credential"
    ACCOUNT = "ServiceAccount"
    WORKLOAD = "workload"
    VAULT = "vault"
    SECRET = "secret"
    SIGN_IN = "sign-in"
    """The exchange of tokens itself: where everything looks right and Entra says no."""


class Cause(Model):
    """One thing that is wrong, and that alone would break the chain."""

    name: str
    """The same for the same fault everywhere, and the same as :command:`simulate break` calls it."""
    link: Link
    where: str
    """Which object."""
    what: str
    """What is wrong with it, as a sentence without its full stop."""
    evidence: tuple[str, ...] = ()
    """What was seen, line by line."""
    mend: str
    """The one command, or line of the fleet file, that mends it; or what to wait for."""
    wait_seconds: float | None = None
    """Where time alone mends it: how long it may take yet."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Report(Model):
    """The diagnosis of one chain."""

    cluster: str
    namespace: str
    service_account: str
    identity: str = ""
    """Its name in the fleet file; '' without one."""
    vault: str = ""
    secret: str = ""
    causes: tuple[Cause, ...] = ()
    """In the order of the chain. None where nothing is wrong with what could be seen."""
    not_visible: tuple[Hidden, ...] = ()
    at_hand: tuple[str, ...] = ()
    """What is wrong with the key of the token that somebody has at hand, where it is one of this chain."""
    seen: tuple[str, ...] = ()
    """What was found at each link: the token's claims, the credential, the exchanges, the read."""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service_account} on {self.cluster}"

    @property
    def is_well(self) -> bool:
        """Everything was seen, and nothing is wrong."""
        return not self.causes and not self.not_visible and not self.at_hand
