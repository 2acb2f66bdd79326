"""The command line: what its words say, which jobs they stand for, and what is said to those that can't be read."""
