"""Reports of a diagnosis, for the terminal and as Markdown for the Prefect UI."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from fleet.diagnosis import codes
from fleet.diagnosis.codes import Told
from fleet.diagnosis.report import Cause, Report

_WELL_SHOWN = 10
"""Chains without a cause that a terminal is told one by one."""


def show(console: Console, reports: Sequence[Report], *, all_seen: bool) -> None:
    """Every chain with its causes; what was seen of a chain that is well only where it was to be ``all_seen``."""
    well = [report for report in reports if report.is_well]
    for report in reports:
        if report.causes or report.not_visible or report.at_hand or all_seen or len(well) <= _WELL_SHOWN:
            _show(console, report, seen=all_seen or bool(report.causes or report.at_hand))
    if not all_seen and len(well) > _WELL_SHOWN:
        console.print(Text(f"{len(well)} chains are well", style="green"))
    console.print(Text(headline(reports), style="bold"))


def headline(reports: Sequence[Report]) -> str:
    """How many causes in how many chains."""
    causes = sum(len(report.causes) for report in reports)
    broken = sum(bool(report.causes) for report in reports)
    chains = _number(len(reports), "chain")
    if not causes and any(report.at_hand for report in reports):
        return f"{chains}, nothing wrong but the key of the token at hand"
    if not causes:
        hidden = sum(bool(report.not_visible) for report in reports)
        return f"{chains}, nothing wrong" + (f" with what could be seen; {hidden} not wholly visible" if hidden else "")
    return f"{_number(causes, 'cause')} in {broken} of {chains}"


def show_meaning(console: Console, told: Told) -> None:
    """What an error means by itself, with nothing looked at."""
    for style, line in _meaning(told):
        console.print(Text(line, style=style), soft_wrap=True)


def markdown(fleet: str, reports: Sequence[Report]) -> str:
    """The reports as an artifact's text; chains that are well only counted."""
    lines = [f"## Diagnosis of {fleet}", "", f"{headline(reports)}.", ""]
    for report in reports:
        if report.is_well:
            continue
        lines += [f"### {report}", ""]
        for cause in report.causes:
            lines += [f"**{cause.name}** ({cause.link.value}): {cause}.", ""]
            lines += [*(f"    {line}" for line in cause.evidence), "", f"Mend: `{cause.mend}`", ""]
        lines += [f"- token at hand: {problem}" for problem in report.at_hand]
        lines += [f"- {hidden}" for hidden in report.not_visible]
        lines += ["", *(f"    {line}" for line in report.seen), ""]
    return "\n".join(lines)


def _show(console: Console, report: Report, *, seen: bool) -> None:
    style = "bold red" if report.causes else "bold green" if report.is_well else "bold yellow"
    told = _number(len(report.causes), "cause") if report.causes else "nothing wrong"
    console.print(Text.assemble((str(report), "bold"), ": ", (told, style)), soft_wrap=True)
    for cause in report.causes:
        for part in _cause(cause):
            console.print(part, soft_wrap=True)
    for problem in report.at_hand:
        console.print(Text.assemble(("  ! ", "bold yellow"), f"token at hand: {problem}"), soft_wrap=True)
    for hidden in report.not_visible:
        console.print(Text.assemble(("  ? ", "yellow"), str(hidden)), soft_wrap=True)
    for line in report.seen if seen else ():
        console.print(Text(f"  · {line}", style="dim"), soft_wrap=True)
    console.print()


def _cause(cause: Cause) -> Iterator[Text]:
    sign = ("  … ", "bold yellow") if cause.wait_seconds is not None else ("  ✗ ", "bold red")
    yield Text.assemble(sign, (cause.name, "bold"), f"  {cause.where}")
    yield Text(f"      {cause.what}")
    for line in cause.evidence:
        yield Text(f"        {line}", style="dim")
    yield Text.assemble("      ", ("mend: ", "green"), cause.mend)


def _meaning(told: Told) -> Iterable[tuple[str, str]]:
    if not told.code and not told.issuer:
        yield "yellow", "There is no AADSTS code in this text. Its beginning has it: AADSTS and a number."
        return
    meaning = codes.explain(told.code)
    yield "bold", f"{told.code}: {meaning.what}"
    for name in ("issuer", "subject", "audience", "client_id"):
        if value := getattr(told, name):
            yield "dim", f"  {name.replace('_', ' ')}: {value!a}"
    yield "", f"  look at: {meaning.look_at}"
    if meaning.faults:
        yield "", f"  may be: {', '.join(meaning.faults)}"


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
