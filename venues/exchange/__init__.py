"""Markets and accounts of real exchanges, by ccxt."""
