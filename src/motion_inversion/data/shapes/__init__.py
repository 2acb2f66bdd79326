"""The shapes world: coloured shapes that move over grounds under a moving camera, with captions and true tracks."""
