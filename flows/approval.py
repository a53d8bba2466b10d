"""A person agrees to a plan before it is applied: the run pauses, and Prefect's UI asks."""

from __future__ import annotations

import asyncio

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.flow_runs import apause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from fleet.changes import Action, Plan
from fleet.outline import SIGNS, headline, outline
from tasks.chain import title

_POLL_SECONDS = 2
_GRACE_SECONDS = 3600
"""By which Prefect would wait longer: a run whose pause has expired by Prefect's clock is a failed one."""
_SHOWN = 200
"""Changes to name in the question; the plan's artifact has them all."""


class NotApprovedError(Exception):
    """Nobody agreed to the plan. Says why."""


class Decision(RunInput):
    """What the form asks when a run waits for an approval."""

    apply: bool = Field(default=False, title="Apply this plan", description="On: go on. Off: stop, and change nothing.")
    reason: str = Field(default="", title="Reason", description="Kept with the run, if you like.", max_length=1000)


async def ask(planned: Plan, as_whom: str, minutes: float) -> None:
    """Wait for a person's decision, at most so many minutes; no decision is a no. Raises :class:`NotApprovedError`."""
    question = text(planned, as_whom, await _asked_by(), minutes)
    try:
        async with asyncio.timeout(minutes * 60):
            decision = await apause_flow_run(
                wait_for_input=Decision.with_initial_data(description=question),
                timeout=round(minutes * 60) + _GRACE_SECONDS,
                poll_interval=_POLL_SECONDS,
            )
    except TimeoutError:
        message = f"nobody agreed to the plan within {minutes:g} minutes"
        raise NotApprovedError(message) from None
    reason = f": {decision.reason}" if decision.reason else ""
    if not decision.apply:
        message = f"the plan was refused{reason}"
        raise NotApprovedError(message)
    get_run_logger().info("The plan was approved%s", reason)


def text(planned: Plan, as_whom: str, asked_by: str, minutes: float) -> str:
    """The question in Markdown: what would change, how much goes away, as whom, and who wants it."""
    gone = [change for change in planned.changes if change.action is Action.DELETE]
    lines = [
        f"## Apply this plan of {planned.fleet}?",
        "",
        f"**{headline(planned.changes, planned.holds)}**, {_deletions(len(gone))}. Asked for by {asked_by}; "
        f"it would be done as {as_whom}. Without an answer within {minutes:g} minutes nothing is changed.",
        "",
        "| | change | fields |",
        "|---|---|---|",
    ]
    changes = gone + [change for group in outline(planned) for change in group.changes if change not in gone]
    for change in changes[:_SHOWN]:
        fields = ", ".join(difference.field for difference in change.differences)
        lines.append(f"| {SIGNS[change.action]} | {title(change)} | {fields} |")
    if len(changes) > _SHOWN:
        lines += ["", f"… and {len(changes) - _SHOWN} more: see the plan among the run's artifacts."]
    if planned.holds:
        lines += ["", *(f"- held: {hold.key}: {hold.reason}" for hold in planned.holds[:_SHOWN])]
    return "\n".join(lines)


def _deletions(count: int) -> str:
    return "nothing is deleted" if not count else f"{count} of them deletion{'s' if count > 1 else ''}"


async def _asked_by() -> str:
    async with get_client() as client:
        run = await client.read_flow_run(flow_run.id)
    creator = run.created_by
    if creator is not None and creator.display_value:
        return f"{(creator.type or 'somebody').lower()} {creator.display_value}"
    return "its schedule" if run.auto_scheduled else "somebody by hand"
