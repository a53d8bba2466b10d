"""How slow and how unkind the simulated cloud is: one dial per delay, seeded so that a run can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .clock import Clock
from .provenance import Provenance, rule


@dataclass(frozen=True)
class Dials:
    """Each delay as (shortest, longest) in seconds of the real cloud; chances as fractions of requests."""

    directory_replication: tuple[float, float] = (0.0, 0.0)
    """A created application, service principal or managed identity until every reader sees it."""
    federation_propagation: tuple[float, float] = (0.0, 0.0)
    """A written federated credential until the token endpoint honours it."""
    federation_flapping: float = 0.0
    """Chance that the token endpoint does not see a young federated credential in one given request."""
    role_propagation: tuple[float, float] = (0.0, 0.0)
    """A role assignment until the data plane honours it."""
    policy_propagation: tuple[float, float] = (0.0, 0.0)
    """A vault access policy until the vault honours it."""
    vault_dns: tuple[float, float] = (0.0, 0.0)
    """A new vault in RegisteringDns."""
    cluster_update: tuple[float, float] = (0.0, 0.0)
    """A managed cluster's long-running create or update."""
    feature_registration: tuple[float, float] = (0.0, 0.0)
    """A preview feature or resource provider in Registering."""
    secret_deletion: tuple[float, float] = (0.0, 0.0)
    """A deleted or recovered secret's name until it can be used again."""
    webhook_start: tuple[float, float] = (0.0, 0.0)
    """A pod of the webhook until it has its certificate and answers."""
    latency: float = 0.0
    """Real seconds added to every request, not divided by the speed."""


CALM = Dials()

NORMAL = Dials(
    directory_replication=(0.0, 20.0),
    federation_propagation=(5.0, 60.0),
    federation_flapping=0.02,
    role_propagation=(10.0, 120.0),
    policy_propagation=(0.0, 20.0),
    vault_dns=(10.0, 30.0),
    cluster_update=(90.0, 130.0),
    feature_registration=(30.0, 90.0),
    secret_deletion=(1.0, 5.0),
    webhook_start=(2.0, 10.0),
)

FORECASTS = {"calm": CALM, "normal": NORMAL}


@dataclass
class Weather:
    """Draws delays from the dials. ``speed`` divides all of them: 30 makes a minute of the cloud two seconds."""

    clock: Clock
    dials: Dials = NORMAL
    speed: float = 1.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @rule("weather", "delays between their documented bounds", Provenance.REPORTED, "limits-and-errors E1, E2")
    def after(self, dial: str) -> datetime:
        """The instant at which something begun now will have happened; ``dial`` names a pair of :class:`Dials`."""
        shortest, longest = getattr(self.dials, dial)
        return self.clock.now() + timedelta(seconds=self._random.uniform(shortest, longest) / self.speed)

    def happens(self, dial: str) -> bool:
        """Whether the event whose chance the dial names happens to this request."""
        chance: float = getattr(self.dials, dial)
        return self._random.random() < chance

    def retry_after(self, seconds: float) -> float:
        """What a Retry-After of the real cloud comes to at this speed, in seconds, at least 0.05."""
        return max(seconds / self.speed, 0.05)

    def change(self, **dials: object) -> None:
        """Turn some dials from now on."""
        self.dials = replace(self.dials, **dials)  # type: ignore[arg-type]
