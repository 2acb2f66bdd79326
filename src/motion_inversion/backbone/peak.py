"""How much memory a computation takes at its peak, found by running it on tensors without numbers.

Every operation makes its results' shapes and types, and what nothing refers to any more is freed, as on a real device;
only the work space inside single kernels is missing. On the meta device torch picks neither the attention kernels nor
the types that real devices have, so `as_on` does.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_PRODUCTS: frozenset[Any] = frozenset(
    {
        *(F.linear, F.conv1d, F.conv2d, F.conv3d, F.conv_transpose2d, F.conv_transpose3d, F.bilinear),
        *(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm),
        *(torch.baddbmm, Tensor.baddbmm, torch.addmm, F.scaled_dot_product_attention),
    }
)
"""What autocast computes in half precision."""
_SUMS: frozenset[Any] = frozenset(
    {
        *(F.group_norm, F.layer_norm, torch.group_norm, torch.layer_norm, F.softmax, torch.softmax, Tensor.softmax),
        *(torch.pow, Tensor.pow, Tensor.__pow__, torch.sum, Tensor.sum, torch.exp, Tensor.exp, torch.rsqrt),
        *(Tensor.rsqrt, torch.norm, Tensor.norm, F.mse_loss, F.cosine_similarity),
    }
)
"""What autocast computes in single precision on a GPU; on a CPU it leaves them in the type that they come in."""


class Peak(TorchDispatchMode):
    """While the context lasts, counts the bytes of what is held on a device, and the most that ever were.

    now, most: bytes.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.now = self.most = 0
        self._held: dict[int, tuple[weakref.ref[Any], int]] = {}

    def hold(self, tensors: Iterable[Tensor]) -> None:
        """Counts what was there before, once however many tensors share it."""
        for tensor in tensors:
            storage: Any = tensor.untyped_storage()
            if (key := storage._cdata) not in self._held:
                size = storage.nbytes()
                self._held[key] = weakref.ref(storage, lambda _, key=key: self._release(key)), size
                self.now += size
                self.most = max(self.most, self.now)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs an operation, and counts what it made."""
        if self.device.type == "meta" and func is torch.ops.aten.nonzero.default:
            return args[0].new_empty(args[0].numel(), args[0].ndim, dtype=torch.long)  # at most, which no one can know
        if self.device.type == "meta" and func is torch.ops.aten._local_scalar_dense.default:
            return 1
        made = func(*args, **(kwargs or {}))
        self.hold(
            each for each in tree_leaves(made) if isinstance(each, Tensor) and each.device.type == self.device.type
        )
        return made

    def _release(self, key: int) -> None:
        self.now -= self._held.pop(key)[1]


@contextmanager
def as_on(device: str, autocast: torch.dtype | None = None) -> Iterator[None]:
    """While the context lasts, tensors of the meta device have the types and the attention of a kind of device.

    device: "cuda" or "cpu". autocast: the half precision of a mixed training; None of any other computation.
    """
    own: Any = torch.autocast
    torch.autocast = _autocast  # pyright: ignore[reportAttributeAccessIssue]
    try:
        with _AsOn(device, autocast):
            yield
    finally:
        torch.autocast = own


_AUTOCAST: Any = torch.autocast


def _autocast(device_type: str, *options: Any, **named: Any) -> Any:
    """torch's own, which knows no meta device: what sets its precision for a few lines keeps the type there."""
    return nullcontext() if device_type == "meta" else _AUTOCAST(device_type, *options, **named)


def backward(loss: Tensor) -> None:
    """`loss.backward()`, whose repeated forward passes stay within `as_on`: torch takes it for an operation itself."""
    engine: Any = torch.autograd.Variable._execution_engine
    engine.run_backward(
        (loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True, accumulate_grad=True
    )


class _AsOn(TorchFunctionMode):
    def __init__(self, device: str, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.device, self.autocast = device, autocast

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs an operation in the type that it would have."""
        options: Any = dict(kwargs or {})
        if dtype := self._dtype(func):
            args, options = tree_map(lambda each: _cast(each, dtype), (args, options))
        if func is F.scaled_dot_product_attention:
            return _attention(*args, **options)
        return func(*args, **options)

    def _dtype(self, func: Any) -> torch.dtype | None:
        if self.autocast and func in _PRODUCTS:
            return self.autocast
        return torch.float32 if self.autocast and self.device == "cuda" and func in _SUMS else None


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """What a fused kernel gives and keeps: no matrix of all tokens by all tokens."""
    if enable_gqa:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    shape, four = query.shape, [each.reshape(-1, *each.shape[-3:]) for each in (query, key, value)]
    found = _FUSED(*four, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
    return found.reshape(*shape[:-1], value.shape[-1])
