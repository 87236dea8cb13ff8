"""The paper venue: an account on a market that is only watched."""
