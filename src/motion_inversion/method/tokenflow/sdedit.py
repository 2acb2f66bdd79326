"""TokenFlow's SDEdit variant, a row of its own in tables."""

from dataclasses import dataclass
from typing import ClassVar

from motion_inversion.method.tokenflow.injection import PlugAndPlay
from motion_inversion.method.tokenflow.method import TokenFlow


@dataclass(frozen=True)
class TokenFlowSdedit(TokenFlow):
    """TokenFlow (arXiv 2307.10373) whose structure comes from where it starts alone: the reference with noise on it.

    Arguments, states and errors are TokenFlow's; only what isn't given differs. The public code's other noise, one
    frame's for all of them, can't be drawn in it, as it repeats a tensor along too few axes; noise=random is a
    frame's own.
    """

    name: ClassVar[str] = "tokenflow_sdedit"

    injection: PlugAndPlay | None = None
    start: float = 0.9
