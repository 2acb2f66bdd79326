"""How far the runs of a folder are, from files alone."""
