"""What a live account holds, read and held against the ledger."""
