"""The record of money: orders, fills, positions, balances."""
