"""AAD Pod Identity in a cluster: looked at, left behind by its workloads, taken away, and each of it taken back."""
