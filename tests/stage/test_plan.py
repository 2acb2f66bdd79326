"""What is written down before a run, as the report reads it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from motion_inversion.data.clip import Clip, VideoFile
from motion_inversion.error import InputError
from motion_inversion.method.frozen import Frozen
from motion_inversion.report.collect import collect
from motion_inversion.stage.address import Address
from motion_inversion.stage.plan import plan


def test_each_sample_is_named_by_where_it_will_be(address: Address, clip: Clip, tmp_path: Path):
    plan(address, [replace(clip, seeds=(0, 1))], {})
    with pytest.raises(InputError, match="no scores"):  # plans alone are no results
        collect(tmp_path)
    (path,) = tmp_path.glob("plan-*.json")
    for prompt in clip.prompts:
        for seed in (0, 1):
            assert address.sample(clip, prompt, seed).folder.name in path.read_text()


def test_a_plan_is_written_once_and_others_stand_beside_it(address: Address, clip: Clip, tmp_path: Path):
    plan(address, [clip], {})
    (path,) = tmp_path.glob("plan-*.json")
    before = path.stat().st_mtime_ns
    plan(address, [clip], {})
    assert path.stat().st_mtime_ns == before
    address.state(clip).workplace.folder.mkdir(parents=True)  # a training that has begun
    plan(address, [clip], {clip.name: "train: the loss is nan"})
    assert "the loss is nan" in path.read_text()
    assert list(tmp_path.glob("plan-*.json")) == [path]
    plan(replace(address, method=Frozen(), trainer=None), [clip], {})
    assert len(list(tmp_path.glob("plan-*.json"))) == 2


def test_a_refused_run_takes_its_plan_back_and_no_others(address: Address, clip: Clip, tmp_path: Path):
    other = replace(clip, name="other")
    plan(address, [clip, other], {})
    (path,) = tmp_path.glob("plan-*.json")
    plan(address, [clip, other], {clip.name: "prepare: no such file"})
    assert "no such file" in path.read_text()
    plan(replace(address, seed=1), [clip], {})
    plan(address, [clip, other], {clip.name: "prepare: no such file", "other": "prepare: too short"})
    assert not path.exists() and len(list(tmp_path.glob("plan-*.json"))) == 1
    address.sample(clip, clip.prompts[0], clip.seeds[0]).folder.mkdir(parents=True)
    plan(address, [clip], {clip.name: "evaluate: refused"})
    assert len(list(tmp_path.glob("plan-*.json"))) == 2


def test_footage_that_cannot_be_read_is_planned_all_the_same(address: Address, clip: Clip, tmp_path: Path):
    plan(address, [replace(clip, footage=VideoFile(tmp_path / "missing.mp4"))], {})
    (path,) = tmp_path.glob("plan-*.json")
    planned = r'"[^"]*/unreadable-\w{10}/video\.mkv"'
    assert len(re.findall(planned, path.read_text())) == 2 * len(clip.prompts) * len(clip.seeds)
    plan(replace(address, seed=address.seed + 1), [replace(clip, footage=VideoFile(tmp_path / "missing.mp4"))], {})
    both = [set(re.findall(planned, path.read_text())) for path in tmp_path.glob("plan-*.json")]
    assert len(both) == 2 and both[0] != both[1]  # else the report would take one for the other
