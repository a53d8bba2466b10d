"""The Azure Workload Identity admission webhook 1.6.0: its contract, its Helm chart and the managed add-on of AKS."""
