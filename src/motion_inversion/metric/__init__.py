"""Measures of a generated clip against its prompt and its reference."""
