"""Who asks, and with which options: what travels with a write from the request down to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True)
class User:
    """An authenticated caller, or the anonymous one."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def info(self) -> dict[str, object]:
        """The ``userInfo`` of reviews: empty members are left out."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        if self.groups:
            info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {name: list(values) for name, values in self.extra.items()}
        return info


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
CONTROLLER = User("system:kube-controller-manager", groups=(MASTERS, AUTHENTICATED))
"""The controllers inside the cluster; they may do everything."""


@dataclass
class Options:
    """The options of one write. ``warnings`` collects what the answer will carry as Warning headers."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    field_validation: str = "Warn"
    asked_validation: str = ""
    """What the caller itself said about field validation."""
    user: User = CONTROLLER
    warnings: list[str] = field(default_factory=list)
