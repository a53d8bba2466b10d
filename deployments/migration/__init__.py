"""A made-up cluster that lives on AAD Pod Identity, and the walk out of it."""
