"""One module per link of the chain, named after it. Each says how its link is observed, changed and removed.

``observe`` reads in bulk and returns an :class:`~fleet.observed.Observation`; ``ensure`` makes one change real: get,
compare, write, and verify what came back; ``remove`` takes away what is ours. All are idempotent. None knows Prefect:
the flows make task runs of them.
"""
