"""What `memory=` picks for a job, written into its configuration."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from omegaconf import DictConfig, OmegaConf

from motion_inversion.composition import build

_LAYOUT = "method.layout"
_UNSET = ("model.chunk", "model.offload")  # which no file sets


@runtime_checkable
class Economical(Protocol):
    """A job that can stay within a limit of memory."""

    @property
    def memory(self) -> str | None: ...

    def economies(self, fixed: Collection[str]) -> Mapping[str, Any]:
        """Settings that keep it within its limit, by their keys; those in `fixed` are not touched."""
        ...


def economised(config: DictConfig, overrides: Sequence[str]) -> tuple[Any, Mapping[str, Any]]:
    """The object of a job's configuration, within its limit of memory, and what was picked for that.

    The configuration is changed in place. What the job's overrides set stays as it is.

    Raises:
        InputError: what `build` raises, or a limit that can't be met.
    """
    built = build(config)
    if not isinstance(built, Economical) or built.memory is None:
        return built, {}
    picks = built.economies({*map(_key, overrides)})
    for key, value in picks.items():
        OmegaConf.update(config, key, value, force_add=True)
    return build(config) if picks else built, picks


def as_overrides(picks: Mapping[str, Any]) -> list[str]:
    """Picks as a command has them."""
    return [f"{'+' if key in _UNSET else ''}{key}={_word(value)}" for key, value in picks.items()]


def _key(override: str) -> str:
    """The key that an override sets; any part of a layout stands for all of it."""
    key = override.partition("=")[0].lstrip("+~").partition("@")[0]
    return _LAYOUT if key == "layout" or key.startswith(_LAYOUT) else key


def _word(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{','.join(map(str, value))}]"
        case _:
            return str(value)
