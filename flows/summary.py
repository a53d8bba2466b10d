"""What a run came to, and the state in which it ends."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from fleet.changes import Plan
from fleet.proof import Proof
from fleet.spec import Model


class Summary(Model):
    """The outcome of a reconcile, a verification or a teardown. Holds nothing secret."""

    plan: Plan
    failures: dict[str, str] = Field(default_factory=dict)
    """What went wrong, by the change's key."""
    waiting: dict[str, str] = Field(default_factory=dict)
    """What is not applied yet because something is not proven, by the change's key: why. Planned again next time."""
    proofs: tuple[Proof, ...] = ()
    gaps: tuple[str, ...] = ()
    """Workloads whose chain could not be tried, and why."""
    requests: int = 0
    """HTTP requests sent, token requests included; those of the helm binary are its own."""
    seconds: float = 0.0

    @property
    def applied(self) -> int:
        """How many changes were applied."""
        return len(self.plan.changes) - len(self.failures) - len(self.waiting)

    @property
    def succeeded(self) -> bool:
        """Everything is as wanted, and what was tried holds."""
        return not self.failures and not self.plan.holds and all(proof.holds for proof in self.proofs)

    @property
    def headline(self) -> str:
        """One line for logs and the run's state."""
        planned = len(self.plan.changes)
        parts = [f"{self.applied} of {planned} changes applied" if planned else "nothing changed"]
        if self.waiting:
            parts.append(f"{len(self.waiting)} kept for now")
        if self.plan.holds:
            parts.append(f"{len(self.plan.holds)} held")
        if self.proofs:
            parts.append(f"{sum(proof.holds for proof in self.proofs)} of {len(self.proofs)} chains proven")
        if self.gaps:
            parts.append(f"{len(self.gaps)} chains not tried")
        if count := len(self.plan.findings):
            parts.append(f"{count} security finding{'s' if count > 1 else ''}")
        return f"{', '.join(parts)}; {self.requests} requests, {self.seconds:.1f} s"


def ended(summary: Summary, name: str = "Completed", *, well: bool = True) -> State[str]:
    """The state of a run with this outcome: completed where it succeeded and all else went ``well`` too.

    Its data is the summary's text: Prefect walks through any other value, which took a twentieth of a large run.
    """
    text = summary.model_dump_json()
    if not (summary.succeeded and well):
        return Failed(message=summary.headline, data=text)
    return Completed(message=summary.headline, name=name, data=text)


def read(data: Any) -> Summary | None:
    """The summary that a run's state holds; None where it did not come to one."""
    return Summary.model_validate_json(data) if isinstance(data, str) and data.startswith("{") else None
