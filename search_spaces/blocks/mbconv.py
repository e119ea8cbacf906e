"""MBConv: the inverted residual of MobileNetV2/V3 (Sandler et al. 2018, Howard et al. 2019)."""

from __future__ import annotations

from dataclasses import field

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError

__all__ = ["MBConv"]


@block_family
class MBConv(BlockSpec):
    """1x1 expansion, depthwise convolution, optional squeeze-excite, 1x1 projection.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        mid: Channels of the depthwise convolution; any integer.
        hw: Input height = width.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution.
        act: Activation after the expansion and the depthwise convolution, or None.
        se: Squeeze channels of squeeze-and-excitation; 0 for none.
        shortcut: Whether the input is added to the output.
        expand_conv: Whether the 1x1 expansion exists; without it mid == cin.
        shortcut_kind: ``"identity"`` (stride 1 and cin == cout only), or ``"pool_conv"`` where
            the shapes differ: average pool by the stride, and a 1x1 convolution without bias
            or batch norm when cin != cout (AttentiveNAS, Wang et al. 2021).
        se_act: Activation between the two convolutions of squeeze-and-excitation.
        se_gate: Activation after them.
        kernel_transform: Whether a smaller kernel is made of a larger one by once-for-all's
            learned transforms in a supernet; its plain centre crop otherwise. No part of what
            the block is.
        bn_eps: What batch norm adds to the variance; no part of what the block costs.
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1
    act: str | None = "relu"
    se: int = 0
    shortcut: bool = False
    expand_conv: bool = True
    shortcut_kind: str = "identity"
    se_act: str = "relu"
    se_gate: str = "h_sigmoid"
    kernel_transform: bool = field(default=True, compare=False)
    bn_eps: float = field(default=1e-5, compare=False)

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: Without expansion mid differs from cin, or the shortcut does not fit.
        """
        self._check_shortcut()
        if not self.expand_conv and self.mid != self.cin:
            raise SpaceError(f"{self} has no expansion, so mid must equal cin.")
        tape = Tape(self.in_shape)
        x = INPUT
        if self.expand_conv:
            x = tape.conv_bn_act(x, self.mid, act=self.act)
        x = tape.depthwise_bn_act(x, kernel=self.kernel, stride=self.stride, act=self.act)
        if self.se:
            x = tape.squeeze_excite(x, self.se, act=self.se_act, gate=self.se_gate)
        x = tape.conv_bn_act(x, self.cout)
        if self.shortcut:
            tape.add(x, self._shortcut(tape))
        return tape.layers

    def _shortcut(self, tape: Tape) -> int:
        """Record what is added to the output and return its position."""
        y = INPUT
        if self.shortcut_kind == "pool_conv":
            if self.stride > 1:
                y = tape.avg_pool(y, self.stride)
            if self.cin != self.cout:
                y = tape.conv(y, self.cout)
        return y

    def _check_shortcut(self) -> None:
        """Refuse a kind of shortcut that is unknown or has nothing to do.

        Raises:
            SpaceError: It is one; equal blocks must be equal values.
        """
        if self.shortcut_kind not in ("identity", "pool_conv"):
            raise SpaceError(
                f"shortcut_kind must be 'identity' or 'pool_conv', got {self.shortcut_kind!r}."
            )
        same = self.stride == 1 and self.cin == self.cout
        if self.shortcut_kind == "pool_conv" and (same or not self.shortcut):
            raise SpaceError(
                f"{self} has no shortcut that changes shape; leave shortcut_kind 'identity'."
            )
