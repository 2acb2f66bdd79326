"""What a process loads before it works: packages that take seconds are loaded by what works with them alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from results import only

CONF = Path(__file__).parents[1] / "conf"
TORCH = "torch"
SLOW = {
    *("diffusers", "transformers", "peft", "accelerate", "open_clip", "pytorch_lightning", "lightning_fabric"),
    *("torchmetrics", "torchvision", "matplotlib", "scipy", "pandas", "wandb"),
    "sympy",  # of torch's compiler, which a first optimizer loads
}
PROBE = """
import json, sys
{program}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""
COMMAND = """
from motion_inversion.__main__ import main
sys.argv = ["motion-inversion", *{words}]
try:
    code = main()
except SystemExit as stop:
    code = stop.code
assert code == {code}, code
"""


def loaded(program: str) -> set[str]:
    """The packages among `SLOW`, and torch, that a fresh process has loaded after these lines."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "WANDB_MODE": "offline"}
    words = [sys.executable, "-c", PROBE.format(program=program)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {*json.loads(done.stdout.splitlines()[-1])} & {*SLOW, TORCH}


def command(*words: str, code: int = 0) -> str:
    return COMMAND.format(words=words, code=code)


def targets(node: object) -> set[str]:
    """Every `_target_` of this package below a node."""
    if isinstance(node, dict):
        own = {str(node["_target_"])} if str(node.get("_target_")).startswith("motion_inversion.") else set()
        return own.union(*map(targets, node.values()))
    return set().union(*map(targets, node)) if isinstance(node, list) else set()


@pytest.mark.parametrize(
    "program",
    [
        "import motion_inversion.__main__",
        command("--version"),
        command("--help"),
        command("layout=al", code=2),
        command("method=dmt", "--cfg", "job"),
    ],
)
def test_what_needs_no_tensor_loads_no_torch(program: str):
    assert loaded(program) == set()


def test_a_bad_value_loads_torch_alone():
    assert loaded(command("method.loss.beta=-1", code=2)) == {TORCH}


def test_every_class_that_a_configuration_can_name_loads_torch_alone():
    named = set().union(*(targets(yaml.safe_load(path.read_text())) for path in CONF.rglob("*.yaml")))
    assert len(named) > 50
    modules = sorted({target.rpartition(".")[0] for target in named})
    assert loaded("".join(f"import {module}\n" for module in modules)) == {TORCH}


def test_what_is_done_is_found_with_torch_alone(small: Callable[..., list[str]], output: Path):
    words = [*small(), f"output={output}"]
    assert loaded(command(*words)) == {TORCH}
    assert loaded(command(*words, "--dry-run")) == {TORCH}
    place = output / "motion_inversion"
    assert loaded(command("status", str(place))) == set()
    only(output, "odd_path/evaluate/*-red-star-*/score.json").unlink()
    only(output, "odd_path/evaluate/*-red-star-*/manifest.json").unlink()
    scoring = loaded(command(*words, "stages=[evaluate]"))
    assert "torchmetrics" in scoring
    assert not scoring & {"diffusers", "pytorch_lightning", "open_clip"}  # torchmetrics loads transformers itself
