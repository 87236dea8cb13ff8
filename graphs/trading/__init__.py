"""The trading graph: its nodes, the state between them, and what each cycle keeps."""
