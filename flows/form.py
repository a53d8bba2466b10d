"""The parameters that flows share, as fields of the form that Prefect's UI draws: title, explanation, rule.

Prefect writes the name of the parameter over a field's own title, and no description; what is in the schema's extras
stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from fleet.spec import Fleet


def _field(title: str, description: str) -> Any:
    return Field(json_schema_extra={"title": title, "description": description})


@dataclass(frozen=True)
class Rule:
    """What holds of a value, as JSON Schema says it; who breaks it reads our words, in the form and in a run.

    Prefect shows what its validator says of the keyword that fails. Of a constant that is the constant itself: so a
    value that is against the rule has to be the sentence that tells what it should be.
    """

    says: str
    schema: Mapping[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "if": {"not": dict(self.schema)}, "then": {"const": self.says}}

    def _checked(self, value: Any) -> Any:
        from jsonschema import Draft202012Validator

        if not Draft202012Validator(self.schema).is_valid(value):
            raise ValueError(f"{self.says} was expected")
        return value


class WhenBusy(StrEnum):
    """What a run does while another one changes the same fleet."""

    WAIT = "wait"
    SKIP = "skip"


_A_PATH = Rule("a path (or leave it out)", {"minLength": 1})

FleetValue = Annotated[
    Fleet | None,
    _field("Fleet", "The fleet itself, in place of a file. A secret stands in it by the name of its Prefect block."),
]
FleetPath = Annotated[
    str | None,
    _field(
        "Fleet file",
        "The path of a fleet file, or of a folder of such files, where the worker runs. Either this or a fleet.",
    ),
    _A_PATH,
]
PlanPath = Annotated[
    str | None,
    _field(
        "Plan file",
        "The path of a file that plan --out wrote, in place of a fleet: just that plan is applied, and nothing where "
        "the world has moved since.",
    ),
    _A_PATH,
]
Prune = Annotated[
    bool, _field("Prune", "Take away what carries the fleet's mark and is no longer in it. The plan shows it first.")
]
Heal = Annotated[
    bool,
    _field(
        "Heal",
        "Restart the owners of pods that are older than the webhook, or than the identity that they should have: one "
        "at a time, within PodDisruptionBudgets.",
    ),
]
Approve = Annotated[
    bool, _field("Ask before changing", "Pause after the plan, and go on only when a person has agreed to it here.")
]
ApproveMinutes = Annotated[
    float,
    _field(
        "Minutes to decide",
        "How long the plan waits for somebody to agree. Then it counts as refused.",
    ),
    Rule("a number of minutes above 0 and up to 10080 (a week)", {"exclusiveMinimum": 0, "maximum": 10_080}),
]
Proving = Annotated[bool, _field("Prove", "Afterwards read the secret of every workload with a token of its own.")]
Fresh = Annotated[bool, _field("Prove anew", "Trust no proof of an earlier run.")]
PatienceSeconds = Annotated[
    float,
    _field("Patience in seconds", "How long to try what may not be in effect yet, a new credential or role."),
    Rule("a number of seconds from 0 to 3600 (an hour)", {"minimum": 0, "maximum": 3600}),
]
Busy = Annotated[
    WhenBusy,
    _field("When busy", "While another run changes the same fleet: wait for its end, or skip this run."),
]
ShardSize = Annotated[
    int,
    _field(
        "Changes per machine",
        "With more changes than this, slices of so many go to the workers of the deployment reconcile-shard/shard. "
        "0: all of them here.",
    ),
    Rule("a number of changes from 0 on", {"minimum": 0}),
]
Everything = Annotated[bool, _field("Everything", "Vaults (soft-deleted) and webhooks too.")]
Workloads = Annotated[
    tuple[str, ...],
    _field("Workloads", "Only these, each as NAMESPACE/SERVICEACCOUNT. None means: the whole fleet."),
]
Clusters = Annotated[tuple[str, ...], _field("Clusters", "Only on these, by name. None means: on all.")]
OnlyWorkload = Annotated[
    str, _field("Workload", "Only this one, as NAMESPACE/SERVICEACCOUNT. Empty means: the whole fleet.")
]
OnlyCluster = Annotated[str, _field("Cluster", "Only on this one, by name. Empty means: on all.")]
