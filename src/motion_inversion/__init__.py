"""Motion Inversion for Video Customization (arXiv 2403.20193): an experiment framework."""

__version__ = "0.1.0"
