"""What happens to a MessageCluster in its life, done to a real one under a ledger."""
