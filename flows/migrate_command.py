"""``workload-identity migrate``: the steps from AAD Pod Identity to Workload Identity, each with its way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fleet.webhook_contract import USUAL_PROXY_PORT

from . import shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rich.console import Console

    from .migrate import There


def migrate(
    cluster: Annotated[
        str, typer.Argument(metavar="CLUSTER", help="An AKS cluster (or GROUP/NAME), or a kubeconfig context.")
    ],
    workloads: Annotated[
        list[str] | None,
        typer.Argument(metavar="WORKLOAD", help="With --switch and --undo: NAMESPACE/NAME or KIND/NAMESPACE/NAME."),
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", help="Only what runs in this one.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The fleet file: CLUSTER.yaml if not given.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write FILE anew though it is there.")] = False,
    subscription: Annotated[
        str | None, typer.Option("--subscription", help="By name or id; if not given, the only one visible.")
    ] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Let workloads use the new set-up, and prove it.")] = False,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="With --switch: a sidecar for SDKs that do not know Workload Identity.")
    ] = False,
    proxy_port: Annotated[
        int,
        typer.Option("--proxy-port", min=1, max=65535, metavar="PORT", help="Where the sidecar listens in the pod."),
    ] = USUAL_PROXY_PORT,
    undo: Annotated[bool, typer.Option("--undo", help="Take --switch back.")] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="With --undo: also what reconcile set up beside the old.")
    ] = False,
    cleanup: Annotated[bool, typer.Option("--cleanup", help="Say which old objects can go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --cleanup: remove them, kept in a file.")] = False,
) -> None:
    """Move a cluster's workloads from AAD Pod Identity to Workload Identity.

    Without an option for a step: read what is there, write a fleet file of it, and show its plan. Exit code 0: nothing
    to do, 2: something to do, 1: an error.
    """
    from . import migrate_steps as steps

    _check(
        switch=switch, undo=undo, cleanup=cleanup, proxy=proxy, everything=everything, yes=yes, named=bool(workloads)
    )
    if proxy_port != USUAL_PROXY_PORT and not proxy:
        shell.fail("--proxy-port goes with --proxy")
    file = out or Path(f"{cluster.rpartition('/')[2]}.yaml")
    chosen = tuple(workloads or ())

    async def step(there: There, console: Console) -> int:
        if switch:
            return await steps.switch(there, console, file, chosen, namespace, proxy=proxy_port if proxy else None)
        if undo:
            return await steps.undo(there, console, file, chosen, namespace, everything=everything)
        if cleanup:
            return await steps.cleanup(there, console, file, namespace, remove=yes)
        return await steps.read(there, console, file, namespace, overwrite=overwrite)

    _run(cluster, subscription, step)


def _check(*, switch: bool, undo: bool, cleanup: bool, proxy: bool, everything: bool, yes: bool, named: bool) -> None:
    if switch + undo + cleanup > 1:
        shell.fail("--switch, --undo and --cleanup are steps of their own: give one of them")
    for option, given, needs, there in (
        ("--proxy", proxy, "--switch", switch),
        ("--everything", everything, "--undo", undo),
        ("--yes", yes, "--cleanup", cleanup),
        ("WORKLOAD", named, "--switch or --undo", switch or undo),
    ):
        if given and not there:
            shell.fail(f"{option} goes with {needs}")


def _run(cluster: str, subscription: str | None, step: Callable[[There, Console], Awaitable[int]]) -> NoReturn:
    from . import migrate as flow
    from .migrate_steps import StepError

    async def work() -> int:
        async with flow.at(cluster, subscription) as there:
            return await step(there, shell.console())

    raise SystemExit(shell.run(work(), StepError))
