"""Which PodDisruptionBudgets a restart has to ask, by what the objects of the cluster say (policy/v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]


def selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector is of these labels; an empty one is of all, none at all of nothing."""
    if selector is None:
        return False
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def budgets_of(budgets: Iterable[Json], pods: Iterable[Json]) -> list[Json]:
    """Those of a namespace's budgets that select any of its pods given here."""
    labels = [pod["metadata"].get("labels") or {} for pod in pods]
    return [one for one in budgets if any(selects(one["spec"].get("selector"), each) for each in labels)]


def forbids(budget: Json) -> str:
    """Why no pod of it may go just now; '' where one may."""
    status = budget.get("status") or {}
    name, current = budget["metadata"]["name"], budget["metadata"].get("generation", 0)
    if status.get("observedGeneration", current) < current:
        return f"PodDisruptionBudget {name} was changed, and its controller has not looked at it yet"
    if status.get("disruptionsAllowed", 0) > 0:
        return ""
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return f"PodDisruptionBudget {name} lets no pod go: {healthy} are healthy and {desired} have to be"


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    return False
