"""management.azure.com: the tables of all providers, the more particular ones first."""

from . import (
    authorization,
    cluster_operations,
    clusters,
    deleted_vaults,
    features,
    managed_hsms,
    managed_identities,
    subscriptions,
    vaults,
)

TABLES = (
    clusters.TABLE,
    cluster_operations.TABLE,
    vaults.TABLE,
    deleted_vaults.TABLE,
    managed_hsms.TABLE,
    managed_identities.TABLE,
    features.TABLE,
    authorization.TABLE,
    subscriptions.TABLE,
)
