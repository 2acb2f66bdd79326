"""Mathematics on tensors: processes, losses, noise, samplers, strategies, trajectories."""
