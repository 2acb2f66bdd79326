"""What a class accepts, read from its annotations, and what an object is, as plain JSON."""
