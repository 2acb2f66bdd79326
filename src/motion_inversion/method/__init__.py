"""Ways to make a model move like a reference clip, behind one protocol; and the frozen model, which does nothing."""
