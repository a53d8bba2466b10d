"""Tables of commands: what is typed, and what must be true of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.clients.terminal import Terminal

_ANYTHING = object()


@dataclass(frozen=True)
class Row:
    """One command of a story. ``$name`` in it stands for what an earlier row kept, or a variable of the environment."""

    command: str
    answer: Any = _ANYTHING
    """The JSON printed on standard output, exactly; None: it prints nothing."""
    at: tuple[str, ...] = ()
    """Where only some fields count: the paths of those of which ``answer`` is the list, dots between their steps."""
    says: str = ""
    """A regular expression that matches somewhere in what is printed, on either output."""
    code: int = 0
    keep: str = ""
    """The name under which later rows know the JSON value that is printed."""
    given: str = ""
    """What the command reads from its standard input."""


def _step_to(found: Any, path: str) -> Any:
    """The value at a path; a backslash keeps a dot in a step, a number is a list's index."""
    for step in re.split(r"(?<!\\)\.", path):
        key = step.replace("\\.", ".")
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def tell(terminal: Terminal, story: Sequence[Row], names: Mapping[str, str] | None = None) -> None:
    """Run a story's commands in their order; each must answer as its row says."""
    known = dict(names or {})
    for row in story:
        ended = terminal.run(row.command, given=row.given, **known)
        told = f"{row.command}\n{ended.out}{ended.err}"
        assert ended.code == row.code, f"exit code {ended.code}: {told}"
        assert re.search(row.says, ended.out + ended.err), f"does not say {row.says}: {told}"
        if row.answer is not _ANYTHING:
            found = ended.json()
            assert ([_step_to(found, path) for path in row.at] if row.at else found) == row.answer, told
        if row.keep:
            known[row.keep] = ended.json()
