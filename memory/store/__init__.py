"""The database: its address, tables, rows and leases. Imports nothing of the other folders."""
