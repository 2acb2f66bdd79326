"""TokenFlow: the method, its two ways to keep the source, and the flow of tokens between keyframes."""
