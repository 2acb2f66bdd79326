"""Pure functions on tensors: losses, noise, schedules, trajectories. Imports nothing else of the project."""
