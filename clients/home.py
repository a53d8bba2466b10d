"""Where the project keeps what it remembers on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The Prefect database, results and notes: WORKLOAD_IDENTITY_HOME, else below ~."""
    given = os.environ.get("WORKLOAD_IDENTITY_HOME")
    return Path(given).absolute() if given else Path.home() / ".workload-identity"


def keep(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
