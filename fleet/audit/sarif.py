"""An audit as SARIF 2.1.0, which code scanning and security tools read (OASIS, static analysis results)."""

from __future__ import annotations

import hashlib
from typing import Any

from .findings import TITLES, WHY, Audit, AuditFinding, Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_DEFAULT_LEVEL = "warning"


def sarif(audit: Audit, fleet_file: str, version: str) -> dict[str, Any]:
    """The document. Every result is located in the fleet file, by which whoever reads it knows whose it is."""
    rules = list(Rule)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "workload-identity",
                        "version": version,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "results": [_result(finding, rules, fleet_file) for finding in audit.findings],
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "toolExecutionNotifications": [
                            {"level": "warning", "message": {"text": text}} for text in audit.not_seen
                        ],
                    }
                ],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.value,
        "name": "".join(word.capitalize() for word in rule.name.split("_")),
        "shortDescription": {"text": TITLES[rule]},
        "fullDescription": {"text": f"{TITLES[rule]}. {WHY[rule]}."},
        "defaultConfiguration": {"level": _DEFAULT_LEVEL},
    }


def _result(finding: AuditFinding, rules: list[Rule], fleet_file: str) -> dict[str, Any]:
    identity = hashlib.sha256(f"{finding.rule.value}|{finding.where}".encode()).hexdigest()
    return {
        "ruleId": finding.rule.value,
        "ruleIndex": rules.index(finding.rule),
        "level": finding.level.value,
        "message": {"text": f"{finding}. {finding.advice}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": fleet_file}, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": finding.where, "kind": "resource"}],
            }
        ],
        "partialFingerprints": {"object/v1": identity},
    }
