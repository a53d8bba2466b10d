"""graph.microsoft.com v1.0: importing this module fills the table."""

from . import graph_applications, graph_batch, graph_deleted, graph_federation, graph_service_principals
from .graph_wire import ROUTES

__all__ = [
    "ROUTES",
    "graph_applications",
    "graph_batch",
    "graph_deleted",
    "graph_federation",
    "graph_service_principals",
]
