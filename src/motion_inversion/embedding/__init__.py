"""Motion embeddings: where they attach, what they hold, how they enter the frozen network, how they are kept."""
