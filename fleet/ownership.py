"""How we know our own work: the marks on what the project creates, and what they permit.

Nothing is ever adopted by its display name. An object without our mark belongs to somebody else, and stays as it is
unless the spec says ``adopt: true``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MANAGED_BY = "workload-identity"
TAG = "workload-identity-fleet"
"""Key of the ARM tag and the Key Vault secret tag; its value is the fleet's name."""
LABEL = "workload-identity.io/fleet"
"""Key of the Kubernetes label; its value is the fleet's name."""
_GRAPH_PREFIX = "workload-identity:fleet="


def graph_tags(fleet: str) -> tuple[str, ...]:
    """The tags of an application or service principal of this fleet."""
    return (MANAGED_BY, f"{_GRAPH_PREFIX}{fleet}")


def owner_by_graph_tags(tags: Iterable[str]) -> str | None:
    """The fleet that owns a directory object, or None."""
    return next((tag.removeprefix(_GRAPH_PREFIX) for tag in tags if tag.startswith(_GRAPH_PREFIX)), None)


def owner_by_tags(tags: Mapping[str, str] | None) -> str | None:
    """The fleet that owns an ARM resource or a secret, or None. ARM keeps the case of tag names but ignores it."""
    return next((value for key, value in (tags or {}).items() if key.lower() == TAG), None)


def owner_by_labels(labels: Mapping[str, str] | None) -> str | None:
    """The fleet that owns a Kubernetes object, or None."""
    return (labels or {}).get(LABEL)
