"""Tables and pictures from the scores that evaluations leave behind; needs no torch."""
