"""Control-A-Video: the method, what controls it, its noise and its guidance by the first frame."""
