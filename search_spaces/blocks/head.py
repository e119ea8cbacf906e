"""Head: global pooling and the classifier."""

from __future__ import annotations

from dataclasses import field

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["Head"]


@block_family
class Head(BlockSpec):
    """Global average pool, batch norm or none, hidden linear layer or none, dropout, classifier.

    Attributes:
        cin: Input channels.
        classes: Outputs.
        hw: Input height = width.
        hidden: Features of a hidden linear layer; 0 for none.
        act: Activation after the hidden layer.
        dropout: Probability of dropping a feature in training; no part of what the block is.
        bias: Whether the classifier has a bias.
        hidden_bias: Whether the hidden layer has one.
        norm: Whether batch norm follows the pool.
    """

    cin: int
    classes: int
    hw: int
    hidden: int = 0
    act: str = "h_swish"
    dropout: float = field(default=0.0, compare=False)
    bias: bool = True
    hidden_bias: bool = False
    norm: bool = False

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        x = tape.global_pool(INPUT)
        if self.norm:
            x = tape.batch_norm(x)
        if self.hidden:
            x = tape.act(tape.linear(x, self.hidden, bias=self.hidden_bias), self.act)
        tape.linear(x, self.classes, bias=self.bias)
        return tape.layers
