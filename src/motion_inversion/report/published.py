"""Owns the numbers that the paper prints, to stand beside ours."""

from dataclasses import dataclass

SOURCE = "arXiv 2403.20193, Table 1"


@dataclass(frozen=True)
class Published:
    """One method's means as they are printed, by the names that the metrics have here."""

    method: str
    text_similarity: float
    motion_fidelity: float


# Measured by the authors: on their clips, with their own code and trackers, which aren't published.
TABLE_1 = (
    Published("Tune-A-Video", 0.2821, 0.6604),
    Published("Control-A-Video", 0.2581, 0.8720),
    Published("TokenFlow", 0.2680, 0.9735),
    Published("Motion Inversion", 0.3113, 0.9552),
)
