"""What a run leaves in the Prefect UI: the plan and the verification, as tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from prefect.artifacts import (
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)

from fleet.audit.findings import Audit
from fleet.changes import Action, Change, Plan
from fleet.diagnosis.report import Report
from fleet.health import LINKS, ChainHealth
from fleet.naming import slug
from fleet.outline import headline, outline
from fleet.plan import shown
from fleet.proof import Proof
from fleet.resources import Difference
from tasks.chain import title

from . import audit_page, diagnosis_page
from .history import History
from .history import picture as picture_of


def rows(plan: Plan) -> list[dict[str, str]]:
    """A row for every field that changes, group by group; what tells most stands first, for screens are narrow."""
    return [
        {
            "action": change.action.value,
            "change": title(change),
            "old → new": _difference(change, difference),
            "of": f"{group.kind} {group.name}",
            "reason": change.reason,
        }
        for group in outline(plan)
        for change in group.changes
        for difference in change.differences
    ]


def _difference(change: Change, difference: Difference) -> str:
    old = "" if change.action is Action.CREATE else f"{shown(difference.old)} → "
    return f"{difference.field}: {old}{shown(difference.new)}"


async def show_plan(plan: Plan) -> None:
    """The plan as an artifact of the run."""
    held = "".join(f"\n- held: `{hold.key}`: {hold.reason}" for hold in plan.holds)
    held += "".join(f"\n- security finding: `{finding.key}`: {finding}" for finding in plan.findings)
    if plan.changes:
        text = f"Plan of {plan.fleet}: {headline(plan.changes, plan.holds)}{held}"
        await acreate_table_artifact(key=f"plan-{slug(plan.fleet)}", table=rows(plan), description=text)
    else:
        text = f"## Plan of {plan.fleet}\n\nNothing to change.{held}"
        await acreate_markdown_artifact(key=f"plan-{slug(plan.fleet)}", markdown=text, description="Plan")


async def show_proofs(fleet: str, proofs: Iterable[Proof], gaps: Iterable[str]) -> None:
    """The verification as an artifact of the run."""
    table = [
        {
            "workload": f"{proof.chain.namespace}/{proof.chain.service_account}",
            "cluster": proof.chain.cluster,
            "secret": f"{proof.chain.vault}/{proof.chain.secret}",
            "holds": "yes" if proof.holds else "NO",
            "exchanges": f"{proof.succeeded} of {proof.tried}",
            "at": f"{proof.at}, by an earlier run" if proof.kept else proof.at,
            "problems": "; ".join(proof.problems),
        }
        for proof in proofs
    ]
    table += [{"workload": gap, "holds": "not tried"} for gap in gaps]
    await acreate_table_artifact(key=f"verification-{slug(fleet)}", table=table, description=f"Verification of {fleet}")


async def show_diagnosis(fleet: str, reports: Sequence[Report]) -> None:
    """Why chains do not hold, as a text."""
    text = diagnosis_page.markdown(fleet, reports)
    await acreate_markdown_artifact(
        key=f"diagnosis-{slug(fleet)}",
        markdown=text,
        description=f"Diagnosis of {fleet}: {diagnosis_page.headline(reports)}",
    )


async def show_audit(audit: Audit) -> None:
    """What an audit found, as a table."""
    text = f"Audit of {audit.fleet}: {audit_page.headline(audit)}"
    await acreate_table_artifact(key=f"audit-{slug(audit.fleet)}", table=audit_page.rows(audit), description=text)


async def show_health(fleet: str, chains: Iterable[ChainHealth]) -> None:
    """How every workload is after the run, link by link; what is not well stands first."""
    ordered = sorted(chains, key=lambda chain: chain.is_well)
    table = [
        {
            "workload": chain.workload,
            "cluster": chain.cluster,
            **{link: chain.links[link].value if link in chain.links else "" for link in LINKS},
            "proof": chain.proof,
        }
        for chain in ordered
    ]
    well = sum(chain.is_well for chain in ordered)
    text = f"Health of {fleet}: {well} of {len(ordered)} workloads are well"
    await acreate_table_artifact(key=f"health-{slug(fleet)}", table=table, description=text)


async def show_history(fleet: str, history: History) -> None:
    """The fleet over time, as a picture."""
    count = len(history.runs)
    text = f"{fleet} over its last {count} runs" if count > 1 else f"{fleet}, its first run"
    picture = f"![{text}]({picture_of(history)})"
    await acreate_markdown_artifact(markdown=picture, key=f"history-{slug(fleet)}", description=text)


_MOMENT_SECONDS, _EVERY_SECONDS = 5.0, 2.0
"""What takes longer than a moment gets a bar, which moves every so often."""


@asynccontextmanager
async def progress(what: str, total: int) -> AsyncIterator[Callable[[], None]]:
    """A bar in the UI while the block works through ``total`` of ``what``; call what it yields after each."""
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1

    async def show() -> None:
        await asyncio.sleep(_MOMENT_SECONDS)
        bar = await acreate_progress_artifact(0.0, description=f"{total} {what}")
        try:
            while True:
                await aupdate_progress_artifact(bar, 100 * done / total)
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            await aupdate_progress_artifact(bar, 100 * done / total)

    showing = asyncio.create_task(show())
    try:
        yield one_more
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
