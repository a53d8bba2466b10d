"""How slow and unkind the simulated cloud is: one dial per delay or failure, seeded so that runs can be repeated."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from .clock import Clock
from .provenance import Provenance, rule


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= pair[0] <= pair[1]:
        message = "give the shortest and the longest delay in seconds, as in [0, 20]"
        raise ValueError(message)
    return pair


Delay = Annotated[tuple[float, float], AfterValidator(_in_order)]
Chance = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Dials:
    """Each delay as (shortest, longest) in seconds of the real cloud; chances as fractions of requests."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    directory_replication: Delay = (0.0, 0.0)
    """A created application, service principal or managed identity until every reader sees it."""
    federation_propagation: Delay = (0.0, 0.0)
    """A written federated credential until the token endpoint honours it."""
    federation_flapping: Chance = 0.0
    """Chance that the token endpoint does not see a young federated credential in one given request."""
    role_propagation: Delay = (0.0, 0.0)
    """A role assignment until the data plane honours it."""
    policy_propagation: Delay = (0.0, 0.0)
    """A vault access policy until the vault honours it."""
    vault_dns: Delay = (0.0, 0.0)
    """A new vault in RegisteringDns."""
    cluster_update: Delay = (0.0, 0.0)
    """A managed cluster's long-running create or update."""
    cluster_failures: Chance = 0.0
    """Chance that such an operation ends as Failed."""
    feature_registration: Delay = (0.0, 0.0)
    """A preview feature or resource provider in Registering."""
    secret_deletion: Delay = (0.0, 0.0)
    """A deleted or recovered secret's name until it can be used again."""
    webhook_start: Delay = (0.0, 0.0)
    """A pod of the webhook until it has its certificate and answers."""
    latency: Annotated[float, Field(ge=0)] = 0.0
    """Real seconds added to every request, not divided by the speed."""
    throttling: bool = False
    """Whether requests beyond the documented rates are answered 429."""
    busy: Chance = 0.0
    """Chance of a 429 below the documented rates."""
    server_errors: Chance = 0.0
    """Chance of a 500, 502 or 503."""
    resets: Chance = 0.0
    """Chance that the connection is cut instead of answered."""
    unanswered: Chance = 0.0
    """Chance that no answer comes for ``unanswered_for``, and then the connection is cut."""
    unanswered_for: Delay = (240.0, 240.0)
    """How long such a request is left hanging."""
    carried_out: Chance = 0.5
    """Of the requests that fail by an error, a cut or no answer: the share that had been carried out before."""


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
    throttling=True,
)

STORM = replace(NORMAL, busy=0.01, server_errors=0.015, resets=0.01, unanswered=0.002)

FORECASTS = {"calm": CALM, "normal": NORMAL, "storm": STORM}


@dataclass
class Weather:
    """Draws delays from the dials. ``speed`` divides all of them: 30 makes a minute of the cloud two seconds."""

    clock: Clock
    dials: Dials = NORMAL
    speed: float = 1.0
    seed: int = 0
    _random: random.Random = field(init=False, repr=False)
    _faults: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        # Of their own, so that turning up the failures leaves the delays of a seed as they are.
        self._faults = random.Random(f"{self.seed}/faults")

    @rule("weather", "delays between their documented bounds", Provenance.REPORTED, "limits-and-errors E1, E2")
    def after(self, dial: str) -> datetime:
        """The instant at which something begun now will have happened; ``dial`` names a pair of :class:`Dials`."""
        shortest, longest = getattr(self.dials, dial)
        return self.clock.now() + timedelta(seconds=self._random.uniform(shortest, longest) / self.speed)

    def happens(self, dial: str) -> bool:
        """Whether the event whose chance the dial names happens to this request."""
        chance: float = getattr(self.dials, dial)
        return self._random.random() < chance

    def strikes(self, *dials: str) -> str | None:
        """Which of the failures, at most one, whose chances the dials name happens to this request."""
        drawn = self._faults.random()
        for dial in dials:
            drawn -= getattr(self.dials, dial)
            if drawn < 0:
                return dial
        return None

    def fault(self) -> random.Random:
        """The randomness by which a failure is shaped."""
        return self._faults

    def retry_after(self, seconds: float) -> float:
        """What a Retry-After of the real cloud comes to at this speed, in seconds, at least 0.05."""
        return max(seconds / self.speed, 0.05)

    def change(self, **dials: object) -> None:
        """Turn some dials from now on."""
        self.dials = replace(self.dials, **dials)  # type: ignore[arg-type]
