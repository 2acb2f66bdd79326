"""Files: written whole or not at all, read without trust, known by their checksums, and what results are called."""
