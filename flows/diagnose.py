"""The flow ``diagnose``: why chains of a fleet do not hold, as an artifact of the run. Changes nothing."""

from __future__ import annotations

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed

from clients.session import open_clients
from fleet.diagnosis.report import Report

from . import artifacts, diagnosing, form, runs
from .diagnosis_page import headline
from .observing import observe


@flow(name="diagnose", description="Says why chains do not hold, with evidence. Changes nothing.", **runs.FLOW_OPTIONS)
async def diagnose(
    fleet_file: form.FleetPath = None,
    fleet: form.FleetValue = None,
    workload: form.OnlyWorkload = "",
    cluster: form.OnlyCluster = "",
) -> State[list[dict[str, object]]]:
    """Look at every link of the fleet's chains, or of those of one workload or one cluster.

    Ends completed, whatever it finds, and is named ``Healthy`` or ``CausesFound``; its result is the reports. Raises
    :class:`~flows.diagnosing.NothingToDiagnoseError` where the fleet has no such chain.
    """
    wanted = runs.wanted_fleet(fleet, fleet_file)
    async with open_clients() as clients:
        observed = await observe(clients, wanted, runs.observing)
        reports = await diagnosing.of_fleet(clients, wanted, observed, workload, cluster)
    await artifacts.show_diagnosis(wanted.name, reports)
    told = headline(reports)
    get_run_logger().info(told)
    return Completed(name=_name(reports), message=told, data=[report.model_dump(mode="json") for report in reports])


def _name(reports: list[Report]) -> str:
    return "CausesFound" if any(report.causes for report in reports) else "Healthy"
