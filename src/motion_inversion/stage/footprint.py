"""Estimates of memory in words, and beside what was measured."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from motion_inversion.data.clip import Clip
from motion_inversion.embedding.budget import size
from motion_inversion.error import InputError
from motion_inversion.stage.address import Address
from motion_inversion.stage.cost import Cost, read_cost
from motion_inversion.stage.memory import Estimate
from motion_inversion.stage.request import pairs_of
from motion_inversion.storage.names import COST


def footprint(estimate: Estimate) -> str:
    """Weights, what is learnt, and the peak of each stage; of the training what it keeps, and with other checkpointing.

    Raises:
        InputError: what stops an estimate.
    """
    need, model = estimate.need(), estimate.model
    parts = [f"weights {size(need.weights)} in {model.dtype}"]
    if need.training:
        parts.append(f"{need.parameters:,} parameters to learn {size(need.learnt)} with gradients and optimizer")
    stages = {stage: size(most) for stage, most in need.stages.items()}
    if need.training:
        other = Estimate(_otherwise(estimate), estimate.device, estimate.batch).training
        assert other is not None
        kept = f"{size(need.training.saved)} of it activations"
        stages["training"] += (
            f" ({kept}; {size(other.most)} {'without' if model.checkpointing else 'with'} checkpointing)"
        )
    stages["sampling"] += f" ({estimate.batch} at once)" if estimate.batch > 1 else ""
    where = "at most on the GPU" if estimate.device == "cuda" else "at most in the process"
    return f"{', '.join(parts)}; {where}: {', '.join(f'{stage} {told}' for stage, told in stages.items())}"


def told_against(estimate: Estimate, clips: Sequence[Clip], start: float) -> str:
    """The peak that the trainings and samplings since `start` noted, and the estimate of it; "" if there were none."""
    noted = [cost["memory"] for folder in _folders(estimate, clips) if (cost := _since(folder, start))]
    measured = max((each for each in noted if each is not None), default=None)
    if measured is None:
        return ""
    stages = estimate.need().stages
    if estimate.device == "cuda":  # where peaks are told apart; a process knows only its own, from its beginning
        del stages["encoding"]
    return f"{size(round(measured * 2**20))} at most, estimated were {size(max(stages.values()))}"


def _folders(estimate: Estimate, clips: Sequence[Clip]) -> Iterator[Path]:
    address = estimate.address
    for clip in clips:
        try:
            if address.method.fits:
                yield address.state(clip).folder
            yield from (address.sample(clip, *pair).folder for pair in pairs_of(clip))
        except InputError:  # footage that can't be read, of which nothing was made
            continue


def _since(folder: Path, start: float) -> Cost | None:
    """What making a result cost, if it was made since then."""
    file = folder / COST
    return read_cost(folder) if file.is_file() and file.stat().st_mtime >= start else None


def _otherwise(estimate: Estimate) -> Address:
    model = estimate.model
    return replace(estimate.address, model=replace(model, checkpointing=not model.checkpointing))
