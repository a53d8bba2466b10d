"""``workload-identity diagnose``: why a chain does not hold. Only looks, and needs no Prefect server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import typer

from clients.session import open_clients
from fleet.changes import Plan
from fleet.diagnosis import codes, tokens
from fleet.diagnosis.codes import Told
from fleet.diagnosis.evidence import Token
from fleet.diagnosis.mending import mending
from fleet.diagnosis.report import Report
from fleet.plan import plan as plan_of
from fleet.plan_file import Options, PlanFile
from fleet.spec import Fleet

from . import console, diagnosing, diagnosis_page, shell
from .diagnosing import Ask, NothingToDiagnoseError
from .observing import observe

_LONGEST = 100_000
"""Characters of an error or a token that are read; what is longer is another kind of file."""


def of_fleet(fleet: Fleet, ask: Ask, told: Told | None, *, fix: bool, out: Path | None, as_json: bool) -> NoReturn:
    """Diagnose a fleet's chains, those that ``ask`` or an error names, and end the program."""
    workload = ask.service_account or (f"{told.namespace}/{told.service_account}" if told and told.namespace else "")
    work = _of_fleet(fleet, workload, ask.cluster, told.token if told else None)
    reports, plan = shell.run(work, NothingToDiagnoseError)
    mended = Options(only=mending(plan, reports), heal=True)
    fixing = mended.narrowed(plan) if mended.only else plan.only(())
    _show(reports, told, fixing if fix else None, as_json=as_json, whole=bool(workload))
    if fix and out is not None and fixing.changes:
        shell.write(out, PlanFile(fleet=fleet, options=mended, plan=fixing))
    _end(reports)


def of_ask(ask: Ask, told: Told | None, *, as_json: bool) -> NoReturn:
    """Diagnose the chain that somebody means, or explain an error by itself, and end the program."""
    if told is not None:
        if not ask.service_account and not ask.pod and told.namespace:
            ask = replace(ask, service_account=f"{told.namespace}/{told.service_account}")
        ask = replace(ask, client_id=ask.client_id or told.client_id)
        if not ask.cluster and not ask.client_id:
            _show([], told, None, as_json=as_json, whole=True)
            raise SystemExit(shell.EXIT_OK)
    reports = shell.run(_of_ask(ask, told.token if told else None), NothingToDiagnoseError)
    _show(reports, told, None, as_json=as_json, whole=True)
    _end(reports)


def token_of(path: Path) -> Told:
    """What a token says of its chain, ``-`` for standard input. Ends the program where it is none."""
    try:
        text = sys.stdin.read(_LONGEST) if str(path) == "-" else path.read_text(encoding="utf-8")[:_LONGEST]
        token = tokens.read(text)
    except OSError as error:
        shell.fail(f"{path}: {error.strerror}")
    except UnicodeDecodeError:
        shell.fail(f"{path}: this is not a text file in UTF-8, so it is no token")
    except tokens.NotATokenError as error:
        shell.fail(f"{path}: {error}. In a pod it is the file that AZURE_FEDERATED_TOKEN_FILE names")
    typer.echo(f"token: {json.dumps({**token.header, **token.claims}, default=str)}", err=True)
    for problem in tokens.problems(token, datetime.now(UTC)):
        typer.echo(f"token: {problem}", err=True)
    told = codes.read(str(token.claims.get("sub") or ""))
    return replace(
        told, token=token, code="", issuer=str(token.claims.get("iss") or ""), audience=", ".join(token.audiences)
    )


def error_of(text: str) -> Told:
    """What an error's text says of its chain."""
    return codes.read(text[:_LONGEST])


async def _of_fleet(fleet: Fleet, workload: str, cluster: str, at_hand: Token | None) -> tuple[list[Report], Plan]:
    async with open_clients() as clients:
        observed = await observe(clients, fleet, pods=True)
        reports = await diagnosing.of_fleet(clients, fleet, observed, workload, cluster, at_hand)
        return reports, plan_of(fleet, observed, heal=True)


async def _of_ask(ask: Ask, at_hand: Token | None) -> list[Report]:
    async with open_clients() as clients:
        return await diagnosing.of_ask(clients, ask, at_hand)


def _show(reports: Sequence[Report], told: Told | None, fixing: Plan | None, *, as_json: bool, whole: bool) -> None:
    if as_json:
        meaning = {"code": told.code, **vars(codes.explain(told.code))} if told and told.code else None
        content = {
            "error": meaning,
            "reports": [report.model_dump(mode="json") for report in reports],
            "fix": fixing.model_dump(mode="json") if fixing is not None else None,
        }
        typer.echo(json.dumps(content, indent=2))
        return
    terminal = shell.console()
    if told is not None and (told.code or not reports):
        diagnosis_page.show_meaning(terminal, told)
    if reports:
        diagnosis_page.show(terminal, reports, all_seen=whole)
    if fixing is not None:
        terminal.print()
        if fixing.changes:
            console.show_plan(terminal, fixing, "What reconcile would mend")
        elif any(report.causes for report in reports):
            terminal.print("None of it is in the fleet file's hands: the commands above mend it.")


def _end(reports: Sequence[Report]) -> NoReturn:
    found = any(report.causes or report.at_hand for report in reports)
    raise SystemExit(shell.EXIT_CHANGES if found else shell.EXIT_OK)
