"""What `memory=` and `model.dtype=auto` pick for a job, written into its configuration."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from omegaconf import DictConfig, OmegaConf

from motion_inversion.composition import build

_LAYOUT = "method.layout"
_UNSET = ("model.chunk", "model.offload")  # which no file sets


@runtime_checkable
class Economical(Protocol):
    """A job of which some settings are to be picked."""

    def economies(self, fixed: Collection[str]) -> Mapping[str, Any]:
        """Settings that suit the machine and keep within a limit, by their keys; those in `fixed` are not touched."""
        ...


def economised(config: DictConfig, overrides: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    """The object of a job's configuration, within its limit of memory, and what was picked for it.

    The configuration is changed in place. What the job's overrides set stays as it is, but for `auto`.

    Raises:
        InputError: what `build` raises, or a limit that can't be met.
    """
    built = build(config)
    picks = built.economies({*map(_key, overrides)}) if isinstance(built, Economical) else {}
    for key, value in picks.items():
        OmegaConf.update(config, key, value, force_add=True)
    return build(config) if picks else built, picks


def picking(config: DictConfig) -> list[str]:
    """The words of a configuration that ask for settings to be picked."""
    asked = {key: OmegaConf.select(config, key) for key in ("memory", "model.dtype")}
    return [f"{key}={value}" for key, value in asked.items() if value == "auto" or (key == "memory" and value)]


def as_overrides(picks: Mapping[str, Any]) -> list[str]:
    """Picks as a command has them."""
    return [f"{'+' if key in _UNSET else ''}{key}={written(value)}" for key, value in picks.items()]


def _key(override: str) -> str:
    """The key that an override sets; any part of a layout stands for all of it."""
    key = override.partition("=")[0].lstrip("+~").partition("@")[0]
    return _LAYOUT if key == "layout" or key.startswith(_LAYOUT) else key


def written(value: Any) -> str:
    """A value as an override has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{','.join(map(str, value))}]"
        case _:
            return str(value)
