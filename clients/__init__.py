"""The edge: credentials, SDK clients, one error hierarchy, and all waiting and retrying."""
