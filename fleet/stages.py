"""What of a plan is done before anything is proven, and what after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .changes import Change


def before_proof(changes: Iterable[Change], earlier: Collection[str] = ()) -> list[Change]:
    """The changes that wait for no proof. ``earlier`` are keys of others that wait, as with :func:`after_proof`."""
    changes = list(changes)
    later = _later(changes, earlier)
    return [change for change in changes if change.key not in later]


def after_proof(
    changes: Iterable[Change], proven: Collection[str], earlier: Collection[str] = ()
) -> tuple[list[Change], dict[str, str]]:
    """Of the changes that wait for a proof, those that need not wait any longer, and why the others do, by key.

    ``proven`` are the keys of the federated credentials whose chains hold, ``earlier`` those of changes that were
    carried out apart from these, and wait still.
    """
    changes = list(changes)
    later = _later(changes, earlier)
    ready: list[Change] = []
    waiting: dict[str, str] = {}
    for change in changes:
        if change.key not in later:
            continue
        unproven = [key for key in change.after_proof if key not in proven]
        behind = next((key for key in change.after if key in waiting or key in earlier), None)
        if unproven:
            waiting[change.key] = f"stays until the chain of {unproven[0]} is proven"
        elif behind:
            waiting[change.key] = f"goes after {behind}, which stays for now"
        else:
            ready.append(change)
    return ready, waiting


def _later(changes: Iterable[Change], earlier: Collection[str]) -> set[str]:
    """Keys of what waits for a proof, or comes after that."""
    later = set(earlier)
    for change in changes:
        if change.after_proof or not later.isdisjoint(change.after):
            later.add(change.key)
    return later
