"""What a run has open: its settings, halts, clocks and eras. Imports nothing of the other folders."""
