"""Looks at a tenant, a subscription and its clusters for an audit. Changes nothing."""
