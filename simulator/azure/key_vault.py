"""``<vault>.vault.azure.net``: importing this module fills the table."""

from . import vault_backup, vault_deleted
from .vault_data import ROUTES, resolves

__all__ = ["ROUTES", "resolves", "vault_backup", "vault_deleted"]
