"""``workload-identity``: the command line over the flows.

Imports stand inside the commands: ``--help`` and a mistake in the fleet file must not wait for Prefect and the SDKs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from . import shell
from .migrate_command import migrate
from .shell import EXIT_CHANGES, EXIT_ERROR, EXIT_INTERRUPTED, EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from fleet.changes import Plan
    from fleet.observed import Observed
    from fleet.selection import Selection
    from fleet.spec import Fleet

    from .summary import Summary

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
    rich_markup_mode=None,  # plain help starts twice as fast: rich's imports half of Markdown
    help="Gives every Kubernetes workload an Entra identity of its own, keeps it that way, and proves it.",
)
FleetFile = Annotated[Path, typer.Argument(metavar="FLEET", help="The fleet file (YAML), or a folder of such files.")]


@app.command()
def plan(
    fleet_file: FleetFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Plan to take over what does not carry our mark.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Plan to take away what is ours and FLEET does not name.")
    ] = False,
    heal: Annotated[bool, typer.Option("--heal", help="Plan to restart the owners of pods of before.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it for reconcile --plan.")] = None,
) -> None:
    """Show what reconcile would change. Exit code 0: nothing, 2: changes, 1: an error, or something is held."""
    from functools import partial

    from fleet.plan import plan as plan_of

    fleet = shell.load(fleet_file)
    if out is not None and out.exists() and out.samefile(fleet_file):
        shell.fail(f"{out}: this is FLEET itself; give --out another name")
    make = partial(plan_of, prune=prune, heal=heal)
    planned = shell.run(_plan(_adopting(fleet, adopt=adopt), make, beyond=prune, pods=True))
    if as_json:
        typer.echo(planned.model_dump_json(indent=2))
    else:
        from . import console

        console.show_plan(shell.console(), planned, f"Plan of {planned.fleet}")
    if out is not None:
        from fleet.plan_file import Options, PlanFile

        shell.write(out, PlanFile(fleet=fleet, options=Options(adopt=adopt, prune=prune, heal=heal), plan=planned))
    if any(hold.mistake for hold in planned.holds):
        raise SystemExit(EXIT_ERROR)
    raise SystemExit(EXIT_CHANGES if planned.changes else EXIT_OK)


@app.command()
def reconcile(
    fleet_file: Annotated[Path | None, typer.Argument(metavar="FLEET", help="As with plan; or give --plan.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    verify: Annotated[bool, typer.Option(help="Prove every chain afterwards.")] = True,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over what does not carry our mark.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take away what is ours and FLEET does not name.")] = False,
    heal: Annotated[bool, typer.Option("--heal", help="Restart the owners of pods of before, one at a time.")] = False,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Apply what plan --out wrote, and nothing else.")
    ] = None,
) -> None:
    """Make the world as the fleet says, and prove it."""
    if (fleet_file is None) == (plan_file is None):
        shell.fail("reconcile takes either FLEET or --plan FILE: a plan file holds its fleet")
    if plan_file is None:
        assert fleet_file is not None
        fleet = _adopting(shell.load(fleet_file), adopt=adopt)
        _flow("reconcile", {"fleet": fleet, "verify": verify, "prune": prune, "heal": heal}, as_json=as_json)
    for option, given in (("--adopt", adopt), ("--prune", prune), ("--heal", heal)):
        if given:
            shell.fail(f"{option} is for planning, and this is planned: make the plan with plan {option} --out")
    _read(plan_file)
    _flow("reconcile", {"plan_file": str(plan_file.absolute()), "verify": verify}, as_json=as_json)


@app.command(name="verify")
def verify_(
    fleet_file: FleetFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Trust no proof of an earlier run.")] = False,
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to try what may not be in effect yet.")
    ] = 60,
) -> None:
    """Prove that every workload reads its secret. Changes nothing."""
    parameters = {"fleet": shell.load(fleet_file), "fresh": fresh, "patience_seconds": patience}
    _flow("verify", parameters, as_json=as_json)


@app.command()
def diagnose(
    fleet_file: Annotated[Path | None, typer.Argument(metavar="[FLEET]", help="As with plan.")] = None,
    workload: Annotated[
        str,
        typer.Argument(metavar="[NAMESPACE/SERVICEACCOUNT]", help="Only this workload of FLEET.", show_default=False),
    ] = "",
    cluster: Annotated[str, typer.Option(metavar="NAME", help="The AKS cluster, or a kubeconfig's context.")] = "",
    service_account: Annotated[str, typer.Option(metavar="NAMESPACE/NAME", help="Whose chain.")] = "",
    pod: Annotated[str, typer.Option(metavar="NAMESPACE/NAME", help="The pod that is refused.")] = "",
    client_id: Annotated[str, typer.Option(metavar="ID", help="Of the identity that is meant.")] = "",
    vault: Annotated[str, typer.Option(metavar="NAME", help="The vault that it should read.")] = "",
    secret: Annotated[str, typer.Option(metavar="NAME", help="And the secret.")] = "",
    error: Annotated[str, typer.Option(metavar="TEXT", help="What Entra said: AADSTS and a number will do.")] = "",
    token: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A pod's token, to tell whose chain; - reads it from a pipe.")
    ] = None,
    subscription: Annotated[str, typer.Option(metavar="NAME", help="Where there are several, and no FLEET.")] = "",
    fix: Annotated[bool, typer.Option("--fix", help="Plan just what mends it. Needs FLEET.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write that plan.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON.")] = False,
) -> None:
    """Say why a chain does not hold, link by link, with evidence. Changes nothing.

    Of a fleet's workloads, or without FLEET of any chain: by --cluster and --service-account or --pod, by --client-id,
    or from an --error alone. Exit code 0: nothing is wrong, 2: something is, 1: an error.
    """
    from . import diagnose_command
    from .diagnosing import Ask

    ask = Ask(cluster, service_account or workload, pod, client_id, vault, secret, subscription)
    told = diagnose_command.error_of(error) if error else diagnose_command.token_of(token) if token else None
    if fleet_file is not None:
        if pod or client_id:
            shell.fail(
                "--pod and --client-id are for chains without a fleet file: leave FLEET out, or name the workload"
            )
        diagnose_command.of_fleet(shell.load(fleet_file), ask, told, fix=fix, out=out, as_json=as_json)
    if fix or out is not None:
        shell.fail("--fix plans what FLEET says: give the fleet file")
    diagnose_command.of_ask(ask, told, as_json=as_json)


@app.command()
def audit(
    fleet_file: Annotated[Path | None, typer.Argument(metavar="[FLEET]", help="As with plan.")] = None,
    subscription: Annotated[str, typer.Option(metavar="NAME", help="Where there are several, and no FLEET.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit as JSON.")] = False,
    sarif_file: Annotated[
        Path | None, typer.Option("--sarif", metavar="FILE", help="Write it as SARIF 2.1.0; - prints it.")
    ] = None,
) -> None:
    """Find what may be abused: trust in what is gone, passwords, access beyond the spec. Changes nothing.

    Of a fleet, or without FLEET of a whole subscription. Exit code 0: nothing was found, 2: something was, 1: an error.
    """
    from . import audit_command

    if as_json and str(sarif_file) == "-":
        shell.fail("--json and --sarif - both want standard output: give --sarif a file")
    audit_command.run(fleet_file, subscription, as_json=as_json, sarif_file=sarif_file)


@app.command()
def teardown(
    fleet_file: FleetFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    everything: Annotated[bool, typer.Option("--everything", help="Vaults (soft-deleted) and webhooks too.")] = False,
    workloads: Annotated[
        list[str] | None,
        typer.Option("--workload", metavar="NAMESPACE/SERVICEACCOUNT", help="Only this one. May be repeated."),
    ] = None,
    clusters: Annotated[
        list[str] | None,
        typer.Option("--cluster", metavar="NAME", help="Only on this one. May be repeated."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take away what reconcile made, dependents first. What is not ours stays.

    With --workload, --cluster or both, only those workloads on those clusters, and what nobody else in the fleet uses.
    """
    from fleet.selection import Selection, SelectionError, remainder

    fleet = shell.load(fleet_file)
    selection = Selection(workloads=tuple(workloads or ()), clusters=tuple(clusters or ()))
    try:
        remainder(fleet, selection)
    except SelectionError as error:
        shell.fail(*str(error).splitlines())
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        _agree_to_teardown(fleet, everything=everything, selection=selection)
    parameters = {"fleet": fleet, "everything": everything, **selection.model_dump()}
    if selection:
        typer.echo("FLEET still names it: take it out there too, or the next reconcile brings it back", err=True)
    _flow("teardown", parameters, as_json=as_json)


app.command()(migrate)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def simulate() -> None:
    """Run a simulated Azure on this machine, or with -- COMMAND a command inside it. --help tells more."""
    arguments = [sys.executable, "-m", "simulator", *sys.argv[sys.argv.index("simulate") + 1 :]]
    os.execv(sys.executable, arguments)  # noqa: S606 - the simulator takes this process's place, and its signals


@app.command()
def schema() -> None:
    """Print the JSON Schema of a fleet file, by which an editor completes and checks it."""
    from fleet.schema import fleet_file_schema_text

    typer.echo(fleet_file_schema_text(), nl=False)


@app.command()
def stop() -> None:
    """End the Prefect server that an earlier command left running."""
    from . import prefect_server

    typer.echo("The Prefect server has ended." if prefect_server.stop() else "No Prefect server of ours is running.")


def main() -> None:
    """The entry point: no traceback for anything that a user can cause."""
    try:
        app()
    except SystemExit as end:  # typer makes this of a KeyboardInterrupt
        if end.code == EXIT_INTERRUPTED:
            typer.echo("\nInterrupted. What was begun is finished by the next run.", err=True)
        if isinstance(end.__context__, TyperException):  # a mistake on the command line is no 2, which says: changes
            raise SystemExit(EXIT_ERROR) from None
        raise


def _adopting(fleet: Fleet, *, adopt: bool) -> Fleet:
    return fleet.model_copy(update={"adopt": True}) if adopt else fleet


def _read(path: Path) -> None:
    """Say what is wrong with a plan file before a server is started for it."""
    from fleet.plan_file import PlanFileError

    from . import plan_files

    try:
        plan_files.read(path)
    except PlanFileError as error:
        shell.fail(str(error))


async def _plan(
    fleet: Fleet, make: Callable[[Fleet, Observed], Plan], *, beyond: bool = False, pods: bool = False
) -> Plan:
    """Without Prefect: a plan needs no server."""
    from clients.session import open_clients

    from .observing import observe

    async with open_clients() as clients:
        return make(fleet, await observe(clients, fleet, beyond=beyond, pods=pods))


def _agree_to_teardown(fleet: Fleet, *, everything: bool, selection: Selection) -> None:
    """Show whoever sits at the terminal what is about to go, and end here unless they agree."""
    from functools import partial

    from fleet.teardown import plan_teardown

    from . import console

    make = partial(plan_teardown, everything=everything, selection=selection)
    planned = shell.run(_plan(fleet, make, beyond=True))
    if not planned.changes:
        return
    terminal = shell.console(stderr=True)
    console.show_plan(terminal, planned, f"Teardown of {planned.fleet}")
    try:
        answer = terminal.input("Take all of this away? [y/N] ", markup=False)
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        shell.fail("Nothing was taken away.")


def _flow(name: str, parameters: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Run a flow here, attached to a Prefect server, and show what it came to."""
    from . import prefect_server

    try:
        ui = prefect_server.attach(lambda news: typer.echo(news, err=True))
    except prefect_server.ServerError as error:
        shell.fail(str(error))
    from . import console as terminal
    from .local_run import run

    console = shell.console()
    progress = terminal.LiveProgress(console if not as_json else _quiet())
    with progress:
        outcome = run(name, parameters, progress.hear)
    if outcome.summary is None:
        shell.fail(
            outcome.error or f"{name} failed",
            *([f"Run: {ui}/runs/flow-run/{outcome.run_id}"] if outcome.run_id else []),
        )
    _show(name, outcome.summary, console, as_json=as_json, ui=f"{ui}/runs/flow-run/{outcome.run_id}")
    raise SystemExit(EXIT_OK if outcome.completed else EXIT_ERROR)


def _show(name: str, summary: Summary, console: Console, *, as_json: bool, ui: str) -> None:
    if as_json:
        typer.echo(json.dumps({**summary.model_dump(mode="json"), "run": ui}, indent=2))
        return
    from . import console as terminal

    terminal.show_summary(console, summary, ui, planned=name != "verify")


def _quiet() -> Console:
    from rich.console import Console

    return Console(quiet=True)


if __name__ == "__main__":
    main()
