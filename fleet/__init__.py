"""The domain as pure values: what is wanted, what is, and the difference. No I/O, no clock, no SDK, no Prefect."""
