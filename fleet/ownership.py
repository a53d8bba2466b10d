"""How we know our own work: the marks on what the project creates, and what they permit.

Nothing is ever adopted by its display name. An object without our mark belongs to somebody else, and stays as it is
unless the spec says ``adopt: true``.

What is adopted carries a second mark: it was there before the fleet, and stays when the fleet goes. Then both marks
come off, and it is released instead of deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MANAGED_BY = "workload-identity"
TAG = "workload-identity-fleet"
"""Key of the ARM tag and the Key Vault secret tag; its value is the fleet's name."""
LABEL = "workload-identity.io/fleet"
"""Key of the Kubernetes label; its value is the fleet's name."""
ADOPTED_TAG = "workload-identity-adopted"
"""Key of the ARM tag of what was there before the fleet."""
_ADOPTED_LABEL = "workload-identity.io/adopted"
"""Key of the Kubernetes label of the same."""
_ADOPTED = "workload-identity:adopted"
_FLEET_TAG = "workload-identity:fleet="
_IDENTITY_TAG = "workload-identity:identity="


def fleet_tag(fleet: str) -> str:
    """The tag by which all directory objects of a fleet are listed."""
    return f"{_FLEET_TAG}{fleet}"


def graph_tags(fleet: str, identity: str) -> tuple[str, ...]:
    """The tags of the application and the service principal of an identity."""
    return (MANAGED_BY, fleet_tag(fleet), f"{_IDENTITY_TAG}{identity}")


def with_graph_tags(tags: Iterable[str] | None, fleet: str, identity: str, *, adopted: bool = False) -> list[str]:
    """``tags`` with our marks. Others' tags stay; another fleet's mark gives way, as adopting means."""
    others = [tag for tag in tags or () if not tag.startswith((_FLEET_TAG, _IDENTITY_TAG))]
    return list(dict.fromkeys([*others, *graph_tags(fleet, identity), *([_ADOPTED] if adopted else ())]))


def without_graph_tags(tags: Iterable[str] | None) -> list[str]:
    """``tags`` without any mark of ours."""
    ours = (MANAGED_BY, _ADOPTED)
    return [tag for tag in tags or () if tag not in ours and not tag.startswith((_FLEET_TAG, _IDENTITY_TAG))]


def is_adopted_by_graph_tags(tags: Iterable[str] | None) -> bool:
    """Whether a directory object was there before the fleet that owns it."""
    return _ADOPTED in (tags or ())


def with_tags(tags: Mapping[str, str] | None, fleet: str, *, adopted: bool = False) -> dict[str, str]:
    """An ARM resource's ``tags`` with our marks."""
    return {**(tags or {}), TAG: fleet, **({ADOPTED_TAG: "true"} if adopted else {})}


def without_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """An ARM resource's ``tags`` without any mark of ours."""
    return {key: value for key, value in (tags or {}).items() if key.lower() not in (TAG, ADOPTED_TAG)}


def is_adopted_by_tags(tags: Mapping[str, str] | None) -> bool:
    """Whether an ARM resource was there before the fleet that owns it."""
    return any(key.lower() == ADOPTED_TAG for key in tags or {})


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


def labels(fleet: str, *, adopted: bool = False) -> dict[str, str]:
    """The labels of a Kubernetes object of a fleet."""
    return {LABEL: fleet, **({_ADOPTED_LABEL: "true"} if adopted else {})}


NO_LABELS: Mapping[str, None] = {LABEL: None, _ADOPTED_LABEL: None}
"""As a merge patch takes our labels off."""


def is_adopted_by_labels(labels: Mapping[str, str] | None) -> bool:
    """Whether a Kubernetes object was there before the fleet that owns it."""
    return _ADOPTED_LABEL in (labels or {})
