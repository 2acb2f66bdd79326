"""Tune-A-Video: the method, the inflation of its image model, and its own inversion."""
