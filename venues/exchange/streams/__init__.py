"""What exchanges send by themselves, by WebSocket."""
