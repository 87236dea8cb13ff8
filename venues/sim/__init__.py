"""A simulated market, the same for one seed everywhere."""
