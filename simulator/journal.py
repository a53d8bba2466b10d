"""What was asked of the simulator: one structured line per request, without anything secret."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it was answered. No header, no body: neither a token nor a secret can end up here."""

    at: str
    """ISO 8601, UTC, the simulator's clock."""
    method: str
    host: str
    path: str
    query: str
    status: int
    milliseconds: float
    caller: str
    """The user agent's first word."""
    batched: bool = False
    """Whether it came inside a ``$batch``: the cloud counts it, the wire does not."""

    @classmethod
    def of(cls, scope: Scope, host: str, status: int, seconds: float, now: datetime, *, batched: bool = False) -> Entry:
        """A request by its ASGI scope, answered after so many seconds, at ``now``."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(
            at=now.isoformat(),
            method=scope["method"],
            host=host,
            path=scope["path"],
            query=scope.get("query_string", b"").decode("latin-1"),
            status=status,
            milliseconds=round(seconds * 1000, 3),
            caller=headers.get("user-agent", "").split(" ", 1)[0],
            batched=batched,
        )

    @property
    def writes(self) -> bool:
        """Whether the request could have changed something: token and credential listing requests do not."""
        if self.method in ("GET", "HEAD", "OPTIONS"):
            return False
        if self.host.startswith("login."):
            return False
        reading_posts = ("/listClusterUserCredential", "/listClusterAdminCredential", "/token", "/$batch")
        reviews = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "tokenreviews")
        if self.method == "POST" and self.path.rstrip("/").endswith(reading_posts + reviews):
            return False
        return "dryRun=All" not in self.query


@dataclass
class Journal:
    """All requests of this simulation, counted, and appended to ``path`` where one is given."""

    path: Path | None = None
    entries: list[Entry] = field(default_factory=list)
    """The requests as they came over the wire, one ``$batch`` as one."""
    steps: list[Entry] = field(default_factory=list)
    """What came inside batches."""

    def note(self, entry: Entry) -> None:
        """Append one entry."""
        (self.steps if entry.batched else self.entries).append(entry)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(entry)) + "\n")

    def writing(self) -> list[Entry]:
        """The requests that could have changed something, those of batches after all others."""
        return [entry for entry in (*self.entries, *self.steps) if entry.writes]

    def counts(self) -> dict[str, int]:
        """Requests by host, the busiest first."""
        return dict(Counter(entry.host for entry in self.entries).most_common())
