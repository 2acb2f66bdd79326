"""Motion Inversion with a spatial path beside it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from trial import Trained, assert_resumes, train, untouched

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.method import Reference, Request
from motion_inversion.method.motion_inversion import MotionInversion
from motion_inversion.method.motion_inversion_hybrid import MotionInversionHybrid

Brief = tuple[Tensor, Request]


@pytest.fixture(scope="module")
def trained(
    model: Backbone,
    hybrid: MotionInversionHybrid,
    reference: Reference,
    brief: Brief,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    return train(model, hybrid, reference, tmp_path_factory.mktemp("trained"), brief)


def test_the_state_is_that_of_motion_inversion(
    model: Backbone, hybrid: MotionInversionHybrid, method: MotionInversion, trained: Trained, brief: Brief
):
    """The spatial LoRA has served its purpose: embeddings alone are kept, and sample alike with either method."""
    assert len(trained.tensors) == 15  # 5 blocks: one query-key, two values each
    kept = sum(tensor.numel() for tensor in trained.tensors.values())
    spatial = sum(tensor.numel() for tensor in hybrid.spatial.lora(model, 0).tensors().values())
    assert trained.parameters == kept + spatial
    with untouched(model):
        sampled = hybrid.sample(model, trained.state, *brief)
    assert torch.equal(sampled, method.sample(model, trained.state, *brief))
    assert torch.equal(sampled, trained.preview)


def test_the_spatial_path_takes_part_in_learning(
    model: Backbone,
    hybrid: MotionInversionHybrid,
    trained: Trained,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
):
    """With a learning rate of zero it stays what it is at the start, nothing; otherwise embeddings learn otherwise."""
    idle = replace(hybrid, spatial=replace(hybrid.spatial, lr=0.0))
    tensors = train(model, idle, reference, tmp_path, brief).tensors
    assert any(not torch.equal(tensor, trained.tensors[name]) for name, tensor in tensors.items())


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    model: Backbone,
    hybrid: MotionInversionHybrid,
    trained: Trained,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
):
    assert_resumes(model, hybrid, reference, trained, tmp_path, brief)
