"""Where a file of somebody else may have a command write."""

import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from motion_inversion.command.folders import check_folders
from motion_inversion.error import InputError


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"output": "/srv"}, "output=/srv, which leads out of the working folder"),
        ({"output": "../elsewhere"}, "output=../elsewhere, which leads out of the working folder"),
        ({"output": "out", "cache": "/etc"}, "cache=/etc, which leads out of output=out"),
        ({"output": "out", "cache": "${output}/../x"}, "cache=out/../x, which leads out of output=out"),
        ({"output": "out", "cache": "out/link"}, "cache=out/link, which leads out of output=out"),
        ({"output": "out", "report": {"target": "page"}}, "report.target=page, which leads out of output=out"),
        ({"target": "/srv"}, "target=/srv, which leads out of the working folder"),
        ({"hydra": {"run": {"dir": "/srv"}}}, "hydra.run.dir=/srv, which leads out of the working folder"),
        (
            {"output": "out", "hydra": {"sweep": {"dir": "x"}}},
            "hydra.sweep.dir=x, which leads out of output=out",
        ),
        (
            {"hydra": {"sweep": {"dir": "outputs/x"}, "launcher": {"submitit_folder": "/srv"}}},
            "hydra.launcher.submitit_folder=/srv, which leads out of hydra.sweep.dir=outputs/x",
        ),
    ],
)
def test_folders_elsewhere_are_the_command_lines_to_give(
    config: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path)
    with pytest.raises(InputError, match=f"^a file can't set {re.escape(told)}; give it on the command line if you do"):
        check_folders(OmegaConf.create(config), ["seed=1"])
    key = told.partition("=")[0]
    check_folders(OmegaConf.create(config), [f"++{key}=…"])
    check_folders(OmegaConf.create(config), [f"+{key}.deeper=1"])


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"output": "out", "cache": "${output}/.cache", "hydra": {"run": {"dir": "."}, "sweep": {"dir": "out/sweep/1"}}},
        {"output": "out", "cache": None},
        {"target": None, "hydra": {"sweep": {"dir": "outputs/sweep/1"}}},
    ],
)
def test_folders_below_output_are_anyones(config: dict[str, Any]) -> None:
    check_folders(OmegaConf.create(config), [])


def test_what_is_known_later_is_no_folder() -> None:
    with pytest.raises(InputError, match=r"^hydra\.run\.dir can't be resolved: "):
        check_folders(OmegaConf.create({"hydra": {"run": {"dir": "${nowhere}"}}}), [])
    with pytest.raises(InputError, match="can't be a folder"):
        check_folders(OmegaConf.create({"cache": "a\0b"}), [])
