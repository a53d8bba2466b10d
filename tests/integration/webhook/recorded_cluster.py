"""A cluster with the recorded service accounts and the webhook behind its API server."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

from recorded_admission import FACTS, Case, service_account

from simulator.clock import Clock
from simulator.kubernetes.cluster import Cluster
from simulator.webhook.addon import addon_objects
from simulator.webhook.manager import CONFIGURATIONS
from simulator.webhook.review import answer_review
from simulator.webhook.settings import read_settings

Json = dict[str, Any]


class Recorded:
    """A cluster as the cases were recorded in, with a webhook behind it that remembers its calls."""

    def __init__(self) -> None:
        self.reviews: list[Json] = []
        self.answers: list[Json] = []
        self.settings = FACTS["settings"]["A"]
        self.cluster = Cluster.new(name="c", fqdn="c.azmk8s.io", issuer="https://issuer/", clock=Clock())
        self.cluster.write(CONFIGURATIONS, addon_objects("")[-1])
        self.cluster.webhook_backends["kube-system/azure-wi-webhook-webhook-service"] = self._answer
        for name in FACTS["service_accounts"]:
            namespace, _, account = name.partition("/")
            if self.cluster.get("namespaces", namespace) is None:
                self.cluster.write("namespaces", {"metadata": {"name": namespace}})
            stored = service_account(namespace, account)
            assert stored is not None
            self.cluster.write("serviceaccounts", stored)

    async def create(self, case: Case) -> Json:
        return await self.pod(copy.deepcopy(case.pod), case.namespace, case.settings)

    async def pod(self, pod: Json, namespace: str = "wi", settings: str = "A") -> Json:
        self.reviews, self.answers, self.settings = [], [], FACTS["settings"][settings]
        return await self.cluster.create("pods", pod, namespace=namespace, dry_run=True)

    @property
    def calls(self) -> int:
        return len(self.reviews)

    @property
    def patches(self) -> list[list[Json]]:
        """What each answer would change, in the order of the calls."""
        return [json.loads(base64.b64decode(answer["response"].get("patch") or "W10=")) for answer in self.answers]

    async def _answer(self, review: Json) -> Json:
        self.reviews.append(review)
        settings = read_settings(self.settings["environment"], self.settings["arguments"])
        body, version = json.dumps(review).encode(), self.settings["server_version"]
        self.answers.append(answer_review(body, "application/json", settings, version, service_account))
        return self.answers[-1]
