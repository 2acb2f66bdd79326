"""Code of one's own in descriptions."""

import hashlib
import importlib
from pathlib import Path

import pytest
import torch

from motion_inversion.core.loss import Mse
from motion_inversion.reflection.description import describe
from motion_inversion.reflection.source import own_code


def test_an_edited_class_of_ones_own_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "losses_of_mine.py"
    file.write_text("class Mine:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = importlib.import_module("losses_of_mine").Mine()
    description = {"loss": [describe(mine), {"_target_": "losses_of_mine.Mine.__call__"}]}
    assert own_code(description) == {"losses_of_mine": hashlib.sha256(file.read_bytes()).hexdigest()[:12]}
    before = own_code(description)
    file.write_text("class Mine:\n    weight = 2\n")
    assert own_code(description) != before


def test_what_is_installed_or_ours_is_told_by_its_version() -> None:
    optimizer = {"_target_": f"{torch.optim.AdamW.__module__}.AdamW", "_partial_": True}
    assert own_code(describe(Mse()), optimizer, {"_target_": "pathlib.Path"}, {"_target_": "nowhere.Thing"}, None) == {}
