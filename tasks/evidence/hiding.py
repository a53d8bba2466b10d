"""What to say of what could not be looked at."""

from __future__ import annotations

from clients.errors import CloudError
from fleet.diagnosis.evidence import Hidden


def hidden(link: str, error: CloudError, needs: str) -> Hidden:
    """A link that an error hides, with what the operator needs to see it."""
    return Hidden(link, f"{error}. {needs}".replace("..", ".").strip())
