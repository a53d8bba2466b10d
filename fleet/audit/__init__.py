"""What in a tenant, its vaults and its clusters gives workloads more than they should have, whoever made it so."""
