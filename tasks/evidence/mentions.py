"""Which vault and secret a workload means, where nobody says: by what stands in its containers' environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from fleet.diagnosis.evidence import Evidence
from fleet.running import account_of

_HOST = re.compile(r"https://([a-z0-9-]{3,24})\.vault\.azure\.net", re.IGNORECASE)
_VAULT = re.compile(r"VAULT", re.IGNORECASE)
_VAULT_NAME = re.compile(r"[a-z][a-z0-9-]{1,22}[a-z0-9]", re.IGNORECASE)
_SECRET = re.compile(r"SECRET_?NAME|^SECRET$", re.IGNORECASE)
_SECRET_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


def completed(evidence: Evidence) -> Evidence:
    """The evidence, its question with the vault and the secret that the workload mentions, where it named none."""
    question = evidence.question
    if question.vault:
        return evidence
    variables = list(_environment(evidence))
    hosts = [match.group(1) for _, value in variables if (match := _HOST.search(value))]
    names = [value for name, value in variables if _VAULT.search(name) and _VAULT_NAME.fullmatch(value)]
    secrets = [value for name, value in variables if _SECRET.search(name) and _SECRET_NAME.fullmatch(value)]
    vault = next(iter([*hosts, *names]), "")
    secret = question.secret or (next(iter(secrets), "") if vault else "")
    return replace(evidence, question=replace(question, vault=vault, secret=secret))


def _environment(evidence: Evidence) -> Iterator[tuple[str, str]]:
    question = evidence.question
    templates = [one["spec"]["template"] for one in evidence.deployments]
    for template in [*templates, *evidence.pods]:
        pod = template.get("metadata", {}).get("name") == question.pod if question.pod else False
        if pod or account_of(template) == question.service_account:
            for container in template["spec"].get("containers") or ():
                for item in container.get("env") or ():
                    yield item["name"], str(item.get("value") or "")
