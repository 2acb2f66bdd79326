"""What every metric offers to whoever evaluates clips."""

from typing import ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor

from motion_inversion.metric.sample import Sample


class NoScoreError(Exception):
    """What a metric raises on a sample that it can say nothing of; the message is a line on why, and what would help.

    That is no fault of the sample: its other metrics count, and tables show a dash.
    """


@runtime_checkable
class Metric(Protocol):
    """A score averaged over samples; a torchmetrics `Metric` with a name, a version and bounds.

    Building one is cheap; `load` fetches what it measures with. Then `update` takes a sample, and `compute`
    gives the mean over the samples since the last `reset`.

    against_frozen: whether a score means something only as the difference to the score of the model without
    customisation, that is, of the sample of `method=none` for the same clip, prompt and seed.
    """

    against_frozen: ClassVar[bool]

    @property
    def name(self) -> str:
        """The column's name in tables, such as `text_similarity`."""
        ...

    @property
    def higher_is_better(self) -> bool | None:
        """Which way is up; None if neither."""
        ...

    @property
    def lower(self) -> float:
        """The least possible score."""
        ...

    @property
    def upper(self) -> float:
        """The greatest possible score."""
        ...

    def version(self) -> str:
        """What exactly is measured: formula, model or tracker, settings. Only scores of one version compare.

        Needs no `load`. Alike on every machine: files are named by their content, not by their path.
        """
        ...

    def load(self, device: torch.device | str) -> None:
        """Makes the metric ready to `update` on a device."""
        ...

    def update(self, sample: Sample) -> None:
        """Adds one sample.

        Raises:
            InputError: for a sample that can't be measured, such as a clip of one frame.
            NoScoreError: for one that has no score.
        """
        ...

    def compute(self) -> Tensor:
        """The mean over the samples added, a scalar."""
        ...

    def reset(self) -> None:
        """Forgets the samples added."""
        ...
