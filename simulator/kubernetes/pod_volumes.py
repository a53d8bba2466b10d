"""A pod's volumes as files below a directory of its own.

Containers are local processes without a mount namespace of their own. So what a container would find at
``/some/path`` is laid out at ``<root>/some/path``, and values of environment variables that name such a path are
pointed there.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from .pod_environment import data_of, field_of

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

IssueToken = Callable[[Json, str, int], str]
"""Pod, audience ("" for the API server's) and seconds of life to a token bound to the pod.

Raises MissingReferenceError while there is none to be had."""

_REFRESH_AT = 0.8


@dataclass
class _Token:
    """A projected token as it was last written."""

    text: str
    refresh_at: datetime


@dataclass
class Volumes:
    """The volumes of one pod, kept up to date while it runs."""

    cluster: Cluster
    pod: Json
    directory: Path
    issue: IssueToken
    _tokens: dict[Path, _Token] = field(default_factory=dict)

    @property
    def refresh_at(self) -> datetime | None:
        """When the next token has to be renewed, None if there is none."""
        return min((token.refresh_at for token in self._tokens.values()), default=None)

    def write(self) -> None:
        """Write every file that is new or has changed. Raises MissingReferenceError if something is not there yet."""
        for volume in self.pod["spec"].get("volumes", ()):
            place = self._place(volume["name"])
            make_private(place)
            wanted = self._files(volume)
            if wanted is None:
                continue
            wanted = {_inside(path): content for path, content in wanted.items()}
            for path, content in wanted.items():
                _write(place / path, content)
            for stale in _files_below(place):
                if stale.relative_to(place).as_posix() not in wanted:
                    stale.unlink()

    def mount(self, container: Json) -> Path:
        """Lay out the container's mounts; the directory that stands for its ``/``."""
        root = self.directory / "containers" / str(container["name"])
        make_private(root)
        mounts = container.get("volumeMounts", ())
        for mount in sorted(mounts, key=lambda mount: len(mount["mountPath"])):
            link = root / _inside(mount["mountPath"])
            make_private(link.parent)
            if not link.is_symlink() and not link.exists():
                link.symlink_to(self._place(mount["name"]) / _inside(mount.get("subPath", "")))
        return root

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _place(self, volume: str) -> Path:
        return self.directory / "volumes" / volume

    def _files(self, volume: Json) -> dict[str, bytes] | None:
        """The volume's content by path, None for a volume whose content is the containers' own."""
        namespace = self.pod["metadata"]["namespace"]
        if "secret" in volume:
            return _selected(data_of(self.cluster, "secret", namespace, volume["secret"]), volume["secret"])
        if "configMap" in volume:
            return _selected(data_of(self.cluster, "configmap", namespace, volume["configMap"]), volume["configMap"])
        if "downwardAPI" in volume:
            return self._downward(volume["downwardAPI"])
        if "projected" in volume:
            files: dict[str, bytes] = {}
            for source in volume["projected"].get("sources", ()):
                files |= self._projected(self._place(volume["name"]), source)
            return files
        return None

    def _projected(self, place: Path, source: Json) -> dict[str, bytes]:
        namespace = self.pod["metadata"]["namespace"]
        if "serviceAccountToken" in source:
            path = source["serviceAccountToken"]["path"]
            return {path: self._token(place / path, source["serviceAccountToken"])}
        if "secret" in source:
            return _selected(data_of(self.cluster, "secret", namespace, source["secret"]), source["secret"])
        if "configMap" in source:
            return _selected(data_of(self.cluster, "configmap", namespace, source["configMap"]), source["configMap"])
        return self._downward(source.get("downwardAPI", {}))

    def _downward(self, source: Json) -> dict[str, bytes]:
        fields = [item for item in source.get("items", ()) if "fieldRef" in item]
        return {item["path"]: field_of(self.pod, item["fieldRef"]["fieldPath"]).encode() for item in fields}

    @rule(
        "kubernetes", "projected tokens renewed at 80 % of life", Provenance.DOCUMENTED, "Kubernetes, projected volumes"
    )
    def _token(self, path: Path, source: Json) -> bytes:
        """The token at ``path``: the one there while it is young, else a new one."""
        now = self.cluster.clock.now()
        token = self._tokens.get(path)
        if token is None or token.refresh_at <= now:
            seconds = source.get("expirationSeconds", 3600)
            text = self.issue(self.pod, source.get("audience", ""), seconds)
            token = self._tokens[path] = _Token(text, now + timedelta(seconds=seconds * _REFRESH_AT))
        return token.text.encode()


def make_private(directory: Path) -> None:
    """Make the directory and what is missing above it, for their owner only."""
    if not directory.is_dir():
        make_private(directory.parent)
        directory.mkdir(mode=0o700)


def _selected(data: dict[str, bytes], source: Json) -> dict[str, bytes]:
    """All keys as files of their names, or the listed ``items`` at their paths."""
    items = source.get("items")
    if not items:
        return data
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def _inside(path: str) -> str:
    """The path relative to its directory, which no ``..`` leaves."""
    return posixpath.normpath(f"/{path}").lstrip("/")


def _files_below(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _write(path: Path, content: bytes) -> None:
    """Replace the file in one step, so that a reader never sees half of it. Readable by the owner only."""
    if path.exists() and path.read_bytes() == content:
        return
    make_private(path.parent)
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    fresh.replace(path)
