"""Where the project keeps what it remembers on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The Prefect database, results and notes: WORKLOAD_IDENTITY_HOME, else below ~."""
    given = os.environ.get("WORKLOAD_IDENTITY_HOME")
    return Path(given).absolute() if given else Path.home() / ".workload-identity"
