"""The loop that all methods with trained parts share, and the one part that several of them have."""
