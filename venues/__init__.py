"""Markets and places to trade. Imports `domain` only."""
