"""The words everyone shares: money, instruments, candles, orders, portfolio, clock, digest, errors.

The ground floor. Pure, and imports no other package of the house.
"""
