"""What a run came to."""

from __future__ import annotations

from pydantic import Field

from fleet.plan import Plan
from fleet.proof import Proof
from fleet.spec import Model


class Summary(Model):
    """The outcome of a reconcile, a verification or a teardown. Holds nothing secret."""

    plan: Plan
    failures: dict[str, str] = Field(default_factory=dict)
    """What went wrong, by the change's key."""
    proofs: tuple[Proof, ...] = ()
    gaps: tuple[str, ...] = ()
    """Workloads whose chain could not be tried, and why."""
    requests: int = 0
    """HTTP requests sent, token requests included; those of the helm binary are its own."""
    seconds: float = 0.0

    @property
    def succeeded(self) -> bool:
        """Everything is as wanted, and what was tried holds."""
        return not self.failures and not self.plan.holds and all(proof.holds for proof in self.proofs)

    @property
    def headline(self) -> str:
        """One line for logs and the run's state."""
        done = len(self.plan.changes) - len(self.failures)
        parts = [f"{done} of {len(self.plan.changes)} changes applied" if self.plan.changes else "nothing changed"]
        if self.plan.holds:
            parts.append(f"{len(self.plan.holds)} held")
        if self.proofs:
            parts.append(f"{sum(proof.holds for proof in self.proofs)} of {len(self.proofs)} chains proven")
        if self.gaps:
            parts.append(f"{len(self.gaps)} chains not tried")
        return f"{', '.join(parts)}; {self.requests} requests, {self.seconds:.1f} s"
