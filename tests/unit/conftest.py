"""Laws are tried on the same examples in every run; ``--hypothesis-profile=thorough`` looks for new ones."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

_PATIENT = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("repeatable", max_examples=40, derandomize=True, **_PATIENT)
settings.register_profile("thorough", max_examples=500, **_PATIENT)
settings.load_profile("repeatable")
