"""Choosing what fits a budget: greedy, exact, and what each token is worth."""
