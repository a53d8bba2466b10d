"""What the cloud was asked to make, by what it noted of every request."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

_CREATED = 201
_KINDS: Mapping[str, str] = {
    r"/v1\.0/applications\([^/]*\)": "application",
    r"/v1\.0/servicePrincipals": "service principal",
    r"/v1\.0/applications/[^/]*/federatedIdentityCredentials": "federated credential",
    r".*/roleAssignments/[^/]*": "role assignment",
    r"/api/v1/namespaces/[^/]*": "namespace",
    r"/api/v1/namespaces/[^/]*/serviceaccounts/[^/]*": "service account",
}
KINDS = tuple(_KINDS.values())
_OF_ALL = "service principal"
"""The requests that make one have the same path for all."""


def created(requests: Path) -> tuple[Counter[str], dict[str, int]]:
    """How many objects of each kind were created, and those that were created more than once."""
    kinds: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for line in requests.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["status"] == _CREATED and (kind := _kind(entry["path"])):
            kinds[kind] += 1
            objects[f"{kind} {entry['host']}{entry['path']}"] += kind != _OF_ALL
    return kinds, {name: count for name, count in objects.items() if count > 1}


def _kind(path: str) -> str | None:
    return next((kind for pattern, kind in _KINDS.items() if re.fullmatch(pattern, path)), None)
