"""Figures for papers, each as PNG and PDF: strips of frames, tracks over frames, plots of a table."""
