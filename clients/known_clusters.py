"""Remembers how to reach Entra-integrated AKS clusters, so that a run need not ask ARM about each of them again.

Only the server's address and its certificate authority are kept, nothing secret: who we are is a token of Entra. A
cluster that lets its users in by certificate is not kept. What is kept goes by the name under which the cluster is
served, which a rebuilt one does not get again; one that was given a new authority is found out by the first request.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from . import private_files
from .home import home
from .kubernetes import current

Json = dict[str, Any]


def recall(host: str) -> Json | None:
    """The kubeconfig kept for the cluster that is served under this name, or None."""
    try:
        kept = json.loads(_path(host).read_text(encoding="utf-8"))
        return _kubeconfig(kept["server"], kept["authority"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(host: str, kubeconfig: Json) -> None:
    """Keep what is not secret of a kubeconfig whose user signs in to Entra. A disk that is full is no failure."""
    cluster = current(kubeconfig).cluster
    kept = {"server": cluster["server"], "authority": cluster["certificate-authority-data"]}
    path = _path(host)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_files.write(path, json.dumps(kept))


def _path(host: str) -> Path:
    return home() / "clusters" / f"{hashlib.sha256(host.lower().encode()).hexdigest()[:32]}.json"


def _kubeconfig(server: str, authority: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kept",
        "contexts": [{"name": "kept", "context": {"cluster": "kept", "user": "kept"}}],
        "clusters": [{"name": "kept", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "kept", "user": {"exec": {}}}],
    }
