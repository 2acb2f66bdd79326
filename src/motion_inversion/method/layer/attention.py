"""What methods use of diffusers' attentions: a protocol, so that naming it loads nothing."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Attention(Protocol):
    """`diffusers.models.attention_processor.Attention`: projections, and the processor that attends with them.

    to_q, to_k, to_v, to_out: the projections. heads: of equal widths. scale: of the products of queries and keys.
    """

    to_q: Any
    to_k: Any
    to_v: Any
    to_out: Any
    heads: int
    scale: float
    rescale_output_factor: float
    processor: Any

    def set_processor(self, processor: Any) -> None:
        """Attends by another processor from now on."""
        ...
