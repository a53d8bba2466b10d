"""What a worker does before it loads a flow: the pull steps of prefect.yaml that are our own."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Failed


class OutdatedDeploymentError(Exception):
    """A deployment of another version than the code beside the worker. The text is for the user."""


def check_parameters() -> None:
    """Fail the run where it has a parameter that its flow has not, as from a deployment of an older version.

    Prefect would end the process before the run begins, and tell nothing but its exit code. Values of a wrong type it
    tells itself. Raises :class:`OutdatedDeploymentError`.
    """
    run_id = UUID(os.environ["PREFECT__FLOW_RUN_ID"])
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        if run.deployment_id is None:
            return
        deployment = client.read_deployment(run.deployment_id)
        known = _parameters(deployment.entrypoint or "")
        if not (unknown := sorted(run.parameters.keys() - known)):
            return
        message = (
            f"the deployment {deployment.name} has parameters that {deployment.entrypoint} does not know "
            f"({', '.join(unknown)}; it knows {', '.join(known)}), so nothing was begun: it is of another version, "
            "deploy again with `prefect deploy --all`, or leave them out"
        )
        failed: State[object] = Failed(name="OutdatedDeployment", message=message)
        client.set_flow_run_state(run_id, failed, force=True)
    raise OutdatedDeploymentError(message)


def _parameters(entrypoint: str) -> list[str]:
    """The parameters of a flow by its source: importing all that it needs takes seconds, and comes later anyhow."""
    path, _, name = entrypoint.rpartition(":")
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
    message = f"there is no {entrypoint} here: deploy again with `prefect deploy --all`"
    raise OutdatedDeploymentError(message)
