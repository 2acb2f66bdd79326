"""Filling a folder of videos: what the user gave, and putting it where a manifest wants it."""
