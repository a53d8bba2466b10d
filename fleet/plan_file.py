"""A plan that is written down to be applied later: the plan, and all that it follows from. Nothing in it is secret.

The file is for machines. It is read only as it was written: a digest tells what was changed by hand since, for what
``reconcile`` refuses to do must not come in through an editor.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, Literal

from pydantic import ValidationError

from . import problems
from .changes import Plan
from .spec import Fleet, Model

FORMAT: Final = 1
"""Counts up with every change that makes older files mean something else."""
_AGAIN = "make it again with plan --out"
_FEW = 5
"""Mistakes to name of a file that is none of ours."""


class PlanFileError(ValueError):
    """A text that is no plan to be applied. The message says what it is instead, and what to do."""


class Options(Model):
    """What a plan was asked for beyond what its fleet says."""

    adopt: bool = False
    """Take over every existing object that does not carry our mark."""
    prune: bool = False
    """Take away what is ours and the fleet does not name."""
    heal: bool = False
    """Restart the owners of pods that are older than what they should have been given."""
    only: tuple[str, ...] = ()
    """Just these objects, by their keys; none means all."""

    def narrowed(self, plan: Plan) -> Plan:
        """The part of a plan that was asked for."""
        return plan.only(self.only) if self.only else plan


class PlanFile(Model):
    """What a plan file holds."""

    format: Literal[1] = FORMAT
    fleet: Fleet
    """As its files said, templates and defaults resolved. A secret stands in it by the name of its source."""
    options: Options = Options()
    plan: Plan

    @property
    def wanted(self) -> Fleet:
        """The fleet that the plan is of, with its options."""
        return self.fleet.model_copy(update={"adopt": True}) if self.options.adopt else self.fleet

    def text(self) -> str:
        """The file's text, which :func:`parse` reads."""
        content = self.model_dump(mode="json")
        return json.dumps({**content, "digest": _digest(content)}, indent=1, ensure_ascii=False) + "\n"


def parse(text: str) -> PlanFile:
    """The plan file of this text. Raises :class:`PlanFileError` for every other text."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        message = f"this is no plan file, for it is not JSON{where}: {_AGAIN}"
        raise PlanFileError(message) from None
    if not isinstance(content, dict) or "format" not in content or "plan" not in content:
        shown = isinstance(content, dict) and "changes" in content
        message = "this is what plan --json prints, to be looked at" if shown else "this is no plan file"
        message = f"{message}: {_AGAIN}"
        raise PlanFileError(message)
    if content["format"] != FORMAT:
        message = (
            f"this plan file is of format {content['format']!r}, and this version of workload-identity reads "
            f"format {FORMAT}: use the version that wrote it, or {_AGAIN}"
        )
        raise PlanFileError(message)
    if content.pop("digest", None) != _digest(content):
        message = f"this plan file was changed since plan wrote it, so nobody has planned what it says: {_AGAIN}"
        raise PlanFileError(message)
    try:
        return PlanFile.model_validate(content)
    except ValidationError as error:
        mistakes = [f"{problems.path(each['loc'])}: {each['msg']}" for each in error.errors(include_url=False)]
        more = f"; and {len(mistakes) - _FEW} more" if len(mistakes) > _FEW else ""
        message = f"this is no plan file of this version: {'; '.join(mistakes[:_FEW])}{more}: {_AGAIN}"
        raise PlanFileError(message) from None


def _digest(content: dict[str, Any]) -> str:
    """However the file is laid out."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
