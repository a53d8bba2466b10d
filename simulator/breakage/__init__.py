"""What can be broken on purpose, so that people can learn what it looks like: ``simulate break FAULT``."""

from . import accounts, credentials, identities, issuers, vaults, webhooks, workloads
from .catalogue import CATALOGUE, Breakage, NotBreakable, break_

__all__ = [
    "CATALOGUE",
    "Breakage",
    "NotBreakable",
    "accounts",
    "break_",
    "credentials",
    "identities",
    "issuers",
    "vaults",
    "webhooks",
    "workloads",
]
