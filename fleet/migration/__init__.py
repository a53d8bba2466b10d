"""The way out of AAD Pod Identity: what a cluster has of it, what becomes of that, and what can go in the end. Pure."""
