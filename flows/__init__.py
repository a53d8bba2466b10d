"""What Prefect runs, and the command line over the same flows. A flow reads like the chain; no HTTP, no SDK here."""
