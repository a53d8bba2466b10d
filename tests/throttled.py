"""A tenant whose other programs have asked Graph for all that it may have."""

from __future__ import annotations

from simulator.simulation import Simulation
from simulator.throttling import Limit

_UNITS = Limit("units", "tenant", 3500, 350, cost=3500)


def use_up_graph(simulation: Simulation, speed: float) -> None:
    """Turn throttling on at this speed, with nothing left of the tenant's units."""
    simulation.weather.change(throttling=True)
    simulation.weather.speed = speed
    assert simulation.throttle.take([_UNITS]) is None
