"""DMT: the method, its features of space and time, their loss, and the guidance by it."""
