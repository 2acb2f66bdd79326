"""What a search goes by: means of metrics over the samples of a run."""

import json
import logging
from collections.abc import Mapping, Sequence
from statistics import fmean

from motion_inversion.data.clip import Clip
from motion_inversion.error import InputError
from motion_inversion.metric.metric import Metric
from motion_inversion.stage.address import Address
from motion_inversion.stage.request import pairs_of
from motion_inversion.storage.names import SCORE

log = logging.getLogger(__name__)


def check_objectives(names: Sequence[str], metric: Mapping[str, Metric], stages: Sequence[str]) -> None:
    """Raises InputError for a name of no metric that has a better side, or a run that doesn't evaluate."""
    accepted = [name for name, each in metric.items() if each.higher_is_better is not None]
    given = ",".join(names)
    if unknown := [name for name in names if name not in accepted]:
        raise InputError(
            f"objective={given}: {', '.join(map(repr, unknown))} is no metric of this run that has a better side; "
            f"accepted are {', '.join(accepted) or 'none of these metrics'}; set objective=[]"
        )
    if len({*names}) < len(names):
        raise InputError(f"objective={given} names a metric twice; set objective=[{','.join(dict.fromkeys(names))}]")
    if names and "evaluate" not in stages:
        raise InputError(f"objective={given} needs scores: add evaluate to stages={list(stages)}")


def scores(address: Address, clips: Sequence[Clip]) -> dict[str, list[float]]:
    """By metric, the scores of the samples of these clips that it has one of."""
    made = [score for clip in clips for pair in pairs_of(clip) if (score := address.score(clip, *pair)).exists()]
    records = [json.loads((score.folder / SCORE).read_text())["metrics"] for score in made]
    return {
        name: [value for record in records if (value := record[name]["value"]) is not None] for name in address.metric
    }


def means(address: Address, clips: Sequence[Clip], names: Sequence[str]) -> dict[str, float]:
    """The mean of each objective. Raises InputError for one that has no score of any sample."""
    known, count = scores(address, clips), sum(len(pairs_of(clip)) for clip in clips)
    for name in names:
        if not known[name]:
            raise InputError(f"objective={name} has no score of any sample; the log says why; choose another metric")
        if len(known[name]) < count:
            log.warning("%s, which is searched for, has a score of %d of %d samples", name, len(known[name]), count)
    return {name: fmean(known[name]) for name in names}
