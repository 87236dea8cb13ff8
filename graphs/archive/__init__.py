"""Reading runs that were recorded: results, differences, and what would have been decided otherwise."""
