"""The record of runs: cycles, tape, verdicts, seals."""
