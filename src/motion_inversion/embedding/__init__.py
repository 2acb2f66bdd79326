"""Motion embeddings: where they attach, what they hold, how they enter the frozen UNet, how they are kept."""
