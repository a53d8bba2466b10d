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
_FLEET_TAG = "workload-identity:fleet="
_IDENTITY_TAG = "workload-identity:identity="


def fleet_tag(fleet: str) -> str:
    """The tag by which all directory objects of a fleet are listed."""
    return f"{_FLEET_TAG}{fleet}"


def graph_tags(fleet: str, identity: str) -> tuple[str, ...]:
    """The tags of the application and the service principal of an identity."""
    return (MANAGED_BY, fleet_tag(fleet), f"{_IDENTITY_TAG}{identity}")


def with_graph_tags(tags: Iterable[str] | None, fleet: str, identity: str) -> list[str]:
    """``tags`` with our marks. Others' tags stay; another fleet's mark gives way, as adopting means."""
    others = [tag for tag in tags or () if not tag.startswith((_FLEET_TAG, _IDENTITY_TAG))]
    return list(dict.fromkeys([*others, *graph_tags(fleet, identity)]))


def owner_by_graph_tags(tags: Iterable[str] | None) -> str | None:
    """The fleet that owns a directory object, or None."""
    return next((tag.removeprefix(_FLEET_TAG) for tag in tags or () if tag.startswith(_FLEET_TAG)), None)


def identity_by_graph_tags(tags: Iterable[str] | None) -> str | None:
    """The identity of the fleet file that a directory object stands for, or None."""
    return next((tag.removeprefix(_IDENTITY_TAG) for tag in tags or () if tag.startswith(_IDENTITY_TAG)), None)


def owner_by_tags(tags: Mapping[str, str] | None) -> str | None:
    """The fleet that owns an ARM resource or a secret, or None. ARM keeps the case of tag names but ignores it."""
    return next((value for key, value in (tags or {}).items() if key.lower() == TAG), None)


def owner_by_labels(labels: Mapping[str, str] | None) -> str | None:
    """The fleet that owns a Kubernetes object, or None."""
    return (labels or {}).get(LABEL)
