"""What operators did: halts, approvals, authorizations, and the log of it."""
