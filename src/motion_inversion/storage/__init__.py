"""Files: written whole or not at all, known by their checksums, tensors by name, and what results are called."""
