"""Learning with the frozen model's dropout at work: it counts, resumes, and leaves previews and sampling alone."""

import copy
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from trial import assert_resumes, train

from motion_inversion.backbone.model import Backbone
from motion_inversion.method.method import Reference, Request

Brief = tuple[Tensor, Request]


@pytest.mark.parametrize("name", ["method", "hybrid", "motion_director", "vmc"])
def test_draws_of_dropout_resume(
    convolving: Backbone,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
    name: str,
    request: pytest.FixtureRequest,
):
    plain: Any = request.getfixturevalue(name)
    method = replace(plain, train_mode=True)
    whole = train(convolving, method, reference, tmp_path / "whole", brief)
    assert_resumes(convolving, method, reference, whole, tmp_path / "resumed", brief)
    without = train(convolving, plain, reference, tmp_path / "plain", brief)
    assert whole.losses != without.losses
    sampled = method.sample(convolving, whole.state, *brief)
    torch.testing.assert_close(whole.preview, sampled)  # both without dropout


def test_recomputed_activations_drop_the_same(
    convolving: Backbone, method: Any, reference: Reference, brief: Brief, tmp_path: Path
):
    dropping = replace(method, train_mode=True)
    whole = train(convolving, dropping, reference, tmp_path / "whole", brief)
    saving = copy.copy(convolving)
    saving.config = replace(convolving.config, checkpointing=True)
    recomputed = train(saving, dropping, reference, tmp_path / "recomputed", brief)
    for name, tensor in whole.tensors.items():
        torch.testing.assert_close(recomputed.tensors[name], tensor)


def test_a_model_without_dropout_is_named(
    convolving: Backbone,
    method: Any,
    reference: Reference,
    brief: Brief,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    without = replace(convolving.config).load()
    for layer in without.network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    with caplog.at_level(logging.WARNING, "motion_inversion"):
        train(without, replace(method, train_mode=True), reference, tmp_path, brief)
    assert "method.train_mode=true changes nothing: tiny has no dropout" in caplog.text
