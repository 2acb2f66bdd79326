"""How strongly embeddings act at each noise level of a sampling: share of noise → factor."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from motion_inversion.error import InputError

_MOST = 1000  # of a factor: more of an embedding leaves nothing else


@runtime_checkable
class Scale(Protocol):
    """A factor for embeddings where sigma / (signal + sigma) = `noise`, from 1 at noise alone down to 0.

    In networks with adaptive norms the embeddings act equally at all noise levels, though motion is decided at the
    high ones.
    """

    def __call__(self, noise: float) -> float: ...


@dataclass(frozen=True)
class Constant:
    """The same at all levels; 1 is as trained."""

    factor: float = 1.0

    def __post_init__(self) -> None:
        _require_factor("factor", self.factor)

    def __call__(self, noise: float) -> float:
        return self.factor


@dataclass(frozen=True)
class Band:
    """`factor` for low ≤ noise ≤ high, nothing elsewhere.

    Raises:
        InputError: unless 0 ≤ low < high ≤ 1.
    """

    low: float = 0.0
    high: float = 1.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        _require_factor("factor", self.factor)
        if not 0 <= self.low < self.high <= 1:
            raise InputError(
                f"a scale with low={self.low}, high={self.high}: accepted are shares of noise, 0 ≤ low < high ≤ 1; set "
                "low=0 high=1 of method.query_key_scale or method.value_scale"
            )

    def __call__(self, noise: float) -> float:
        return self.factor if self.low <= noise <= self.high else 0.0


@dataclass(frozen=True)
class Linear:
    """Linear in the share of noise: `noisy` at noise alone, `clean` at the other end."""

    noisy: float = 1.0
    clean: float = 0.0

    def __post_init__(self) -> None:
        _require_factor("noisy", self.noisy)
        _require_factor("clean", self.clean)

    def __call__(self, noise: float) -> float:
        return self.clean + (self.noisy - self.clean) * noise


def _require_factor(name: str, value: float) -> None:
    if not abs(value) <= _MOST:
        raise InputError(
            f"a scale with {name}={value}: accepted are numbers from -{_MOST} to {_MOST}; set {name}=1 of "
            "method.query_key_scale or method.value_scale"
        )
