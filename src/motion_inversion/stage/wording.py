"""Whether the model and the judge know the words of the prompts: a warning where a small vocabulary lacks some."""

import functools
import logging
from collections.abc import Sequence

from motion_inversion.backbone.model import Backbone
from motion_inversion.core.vocabulary import Reader, Vocabulary, told, unknown
from motion_inversion.data.clip import Clip
from motion_inversion.stage.address import Address

log = logging.getLogger(__name__)


def check_words(address: Address, model: Backbone, clips: Sequence[Clip]) -> None:
    """Warns, in a line per vocabulary, of the words that the text encoder or the metrics' judge would spell out."""
    own = [prompt for clip in clips for prompt in (*clip.prompts, clip.source_prompt)]
    invariant = [address.training_prompt(clip) for clip in clips]
    led = [address.inversion_prompt(clip) for clip in clips]
    asked = [*map(address.worded, own), *invariant, *led, address.negative_prompt]
    judges = [
        known for metric in address.metric.values() if isinstance(metric, Reader) and (known := metric.vocabulary())
    ]
    readers: dict[Vocabulary, tuple[str, Sequence[str]]] = dict.fromkeys(judges, ("the judge", own))
    if known := model.vocabulary():
        encoder = f"the text encoder of {model.config.name}"
        readers[known] = (f"{encoder}, like the judge," if known in readers else encoder, asked)
    for known, (reader, prompts) in readers.items():
        if words := unknown(prompts, known):
            _warn(told(reader, words, known))


@functools.cache  # once, however many jobs a sweep has
def _warn(line: str) -> None:
    log.warning("%s", line)
