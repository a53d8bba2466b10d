"""Who set which field: the ``metadata.managedFields`` of an object, kept through updates and applies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import field_sets
from .errors import refuse
from .field_sets import EMPTY, FieldSet
from .kinds import zero_value

Json = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_NEVER_RECORDED: FieldSet = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "generation",
            "managedFields",
            "name",
            "namespace",
            "resourceVersion",
            "selfLink",
            "uid",
        )
    }
)


class Manager(NamedTuple):
    """Whoever writes: the identity of an entry. ``operation`` is Apply or Update."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def described(self) -> str:
        """As conflict messages name it."""
        text = json.dumps(self.name)
        if self.subresource:
            text += f" with subresource {json.dumps(self.subresource)}"
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True)
class Entry:
    """What a manager owns and when it last changed something, RFC 3339, empty when it never did."""

    fields: FieldSet
    time: str = ""


Managers = Mapping[Manager, Entry]


class Conflict(Exception):
    """An apply would change what others own: each manager with its fields."""

    def __init__(self, owners: Mapping[Manager, FieldSet]) -> None:
        super().__init__("conflict")
        self.owners = owners

    @property
    def fields(self) -> FieldSet:
        """All fields in conflict."""
        return EMPTY.union(*self.owners.values())

    @rule(
        "kubernetes", "apply conflicts name manager and field", Provenance.RECORDED, "server-side-apply.yaml ownership"
    )
    def refusal(self) -> Refusal:
        """The 409 that the caller sees."""
        owned = {
            manager.described(): sorted(field_sets.readable(path) for path in fields)
            for manager, fields in sorted(self.owners.items())
        }
        count = sum(map(len, owned.values()))
        if count == 1:
            (owner, (path,)), *_ = owned.items()
            text = f"conflict: conflict with {owner}: {path}"
        else:
            listed = (
                f"conflicts with {owner}:\n" + "\n".join(f"- {path}" for path in paths)
                for owner, paths in owned.items()
            )
            text = "conflicts: " + "\n".join(listed)
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {owner}", "field": path}
            for owner, paths in owned.items()
            for path in paths
        ]
        return refuse(409, "Conflict", f"Apply failed with {count} {text}", {"causes": causes})


def decode(metadata: Json | None) -> dict[Manager, Entry]:
    """The entries of an object's metadata; unreadable ones are dropped."""
    entries: dict[Manager, Entry] = {}
    for item in (metadata or {}).get("managedFields") or ():
        if not item.get("operation"):
            continue
        manager = Manager(
            item.get("manager", ""), item["operation"], item.get("apiVersion", ""), item.get("subresource", "")
        )
        entries[manager] = Entry(field_sets.decode(item.get("fieldsV1") or {}), item.get("time") or "")
    return entries


@rule(
    "kubernetes",
    "managedFields: Apply first, then by time",
    Provenance.RECORDED,
    "server-side-apply.yaml managed_fields",
)
def encode(managers: Managers) -> list[Json]:
    """The entries as they are stored and shown."""
    ordered = sorted(managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0].name))
    return [_encoded(manager, entry) for manager, entry in ordered]


def _encoded(manager: Manager, entry: Entry) -> Json:
    item: Json = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
    if entry.time:
        item["time"] = entry.time
    item |= {"fieldsType": "FieldsV1", "fieldsV1": field_sets.encode(entry.fields)}
    return item | ({"subresource": manager.subresource} if manager.subresource else {})


def starting_point(live: Json | None, new: Json, *, through_subresource: bool) -> dict[Manager, Entry]:
    """The entries that an update begins with: those that the caller wrote, or else the live ones.

    ``[{}]`` resets them; a subresource cannot write them; what cannot be read counts as not written.
    """
    given = new["metadata"].get("managedFields") or []
    if not through_subresource:
        if given == [{}]:
            return {}
        readable = all(field_sets.is_encoded(item.get("fieldsV1") or {}) for item in given)
        if readable and (entries := decode(new["metadata"])):
            return entries
    return decode((live or {}).get("metadata"))


def set_entries(obj: Json, managers: Managers) -> Json:
    """``obj`` with these entries; without the key when there are none."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    if managers:
        metadata["managedFields"] = encode(managers)
    return obj | {"metadata": metadata}


def _bare(obj: Json) -> Json:
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return obj | {"metadata": metadata}


@rule("kubernetes", "an update owns what it changes", Provenance.RECORDED, "server-side-apply.yaml steal, replace_put")
def updated(live: Json | None, new: Json, managers: Managers, manager: Manager, now: str) -> dict[Manager, Entry]:
    """The entries after ``manager`` replaced ``live`` (None: it did not exist) by ``new``.

    An object without entries is not tracked until someone applies to it.
    """
    if live is not None and not managers:
        return {}
    kind = new["kind"]
    difference = field_sets.compare(kind, _bare(live) if live else zero_value(kind), _bare(new))
    taken = frozenset(difference.added | difference.modified) - _NEVER_RECORDED
    result = _without(managers, taken | difference.removed)
    if taken:
        before = managers.get(manager, Entry(EMPTY)).fields - difference.removed
        result[manager] = Entry(before | taken, now)
    return result


def _without(
    managers: Managers, fields: FieldSet | set[field_sets.Path], but: Manager | None = None
) -> dict[Manager, Entry]:
    result = {}
    for manager, entry in managers.items():
        rest = entry.fields if manager == but else entry.fields - fields
        if rest:
            result[manager] = replace(entry, fields=rest)
    return result


def applied(
    live: Json, config: Json, managers: Managers, manager: Manager, now: str, *, force: bool
) -> tuple[Json, dict[Manager, Entry]]:
    """Apply ``config`` (the fields that the manager wants to own) to ``live``; answers the object and the entries.

    Raises :class:`Conflict` when others own what would change, and
    :class:`~simulator.kubernetes.field_sets.UndeclaredError`.
    """
    if not managers and live["metadata"].get("uid"):
        first = Manager("before-first-apply", "Update", manager.api_version)
        managers = updated(None, live, {}, first, now)
    try:
        return _apply(live, config, managers, manager, now, force=force)
    except Conflict as found:
        if manager.name != "kubectl" or not found.fields <= _last_applied(live):
            raise
        return _apply(live, config, managers, manager, now, force=True)


def _last_applied(live: Json) -> FieldSet:
    """What kubectl's client-side apply set, which its server-side apply may take over without force."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        return field_sets.of_object(live["kind"], json.loads(text)) if text else EMPTY
    except (ValueError, field_sets.UndeclaredError):
        return EMPTY


def _apply(
    live: Json, config: Json, managers: Managers, manager: Manager, now: str, *, force: bool
) -> tuple[Json, dict[Manager, Entry]]:
    kind = live["kind"]
    before = _bare(live)
    # Names stay in while pruning, so that the metadata of a manager that owns no more of it is not pruned whole.
    wanted = field_sets.of_object(kind, config)
    previous = managers.get(manager)
    entries = {**managers, manager: Entry(wanted, previous.time if previous else "")}
    merged = field_sets.merge(kind, before, config)
    if previous:
        merged = _pruned(kind, merged, previous.fields, entries)
    difference = field_sets.compare(kind, before, merged)
    changed = frozenset(difference.added | difference.modified)
    owners = {
        other: entry.fields & changed for other, entry in entries.items() if other != manager and entry.fields & changed
    }
    if owners and not force:
        raise Conflict(owners)
    entries[manager] = replace(entries[manager], fields=wanted - _NEVER_RECORDED)
    result = _without(entries, changed | difference.removed, but=manager)
    if manager in result and (changed or difference.removed):
        result[manager] = replace(result[manager], time=now)
    return merged, result


def _pruned(kind: str, merged: Json, last: FieldSet, entries: Managers) -> Json:
    """``merged`` without what the manager owned before and nobody owns now."""

    def members(paths: FieldSet) -> FieldSet:
        return field_sets.with_named_parents(kind, paths)

    last = members(last)
    owned = members(EMPTY.union(*(entry.fields for entry in entries.values())))
    present = members(field_sets.of_object(kind, merged))
    after = field_sets.remove(kind, merged, last)
    gone = present - members(field_sets.of_object(kind, after))
    return field_sets.remove(kind, merged, (gone - owned) & last)
