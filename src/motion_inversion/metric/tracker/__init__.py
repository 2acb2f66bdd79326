"""Point trackers: a clip → where a grid of its points goes."""
