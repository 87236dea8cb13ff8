"""Beginning, driving, resuming, forking and replaying runs."""
