"""Gathers the evidence of a chain, link by link. Only looks: nothing is changed, and no value of a secret is kept."""
