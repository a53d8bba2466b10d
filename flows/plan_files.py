"""Plan files on disk: ``plan --out`` writes one, ``reconcile --plan`` applies it."""

from __future__ import annotations

from pathlib import Path

from clients import private_files
from fleet.plan_file import PlanFile, PlanFileError, parse
from fleet.spec import Fleet

_MAX_BYTES = 1_000_000_000
"""Ten times what the largest fleet's plan needs; a file beyond it is another kind of file."""


def write(path: Path, content: PlanFile) -> None:
    """Write the plan for its owner alone, in place of what was there. Raises OSError."""
    private_files.write(path, content.text())


def read(path: Path) -> PlanFile:
    """The plan file at ``path``. Raises PlanFileError, naming the path, where there is none that can be applied."""
    try:
        if path.exists() and not path.is_file():
            message = "this is no file"
            raise PlanFileError(message)
        if path.stat().st_size > _MAX_BYTES:
            message = "this file is too large for a plan"
            raise PlanFileError(message)
        return parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{path}: this is not a text file in UTF-8, so it is no plan file"
    except PlanFileError as error:
        message = f"{path}: {error}"
    raise PlanFileError(message)


def approved(fleet: Fleet | None, fleet_file: str | None, plan_file: str | None) -> PlanFile | None:
    """The plan file of a flow's parameters, if one is given; ValueError where a fleet is given beside it."""
    if plan_file is None:
        return None
    if fleet is not None or fleet_file is not None:
        message = "give exactly one of fleet, fleet_file, plan_file"
        raise ValueError(message)
    return read(Path(plan_file))
