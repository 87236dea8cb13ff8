"""Markets from recorded candles and headlines."""
