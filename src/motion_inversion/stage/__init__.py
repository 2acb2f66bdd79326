"""The stages of an experiment: prepare, train, generate, evaluate. They meet only through artifacts on disk."""
