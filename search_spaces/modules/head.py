"""Head in torch: global average pool, optional hidden layer, dropout, classifier."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import Head
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.elastic import ElasticBatchNorm, ElasticLinear, Part
from search_spaces.modules.layers import BatchNorm1d, Linear
from search_spaces.modules.regularise import drop

__all__ = ["ElasticHead", "StaticHead"]


class StaticHead(nn.Module):
    """The plain module of a `Head`."""

    def __init__(self, spec: Head) -> None:
        super().__init__()
        features = spec.hidden or spec.cin
        self.norm: nn.Module | None = BatchNorm1d(spec.cin) if spec.norm else None
        self.hidden: nn.Module | None = None
        if spec.hidden:
            self.hidden = Linear(spec.cin, spec.hidden, bias=spec.hidden_bias)
            self.act = make_activation(spec.act)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = Linear(features, spec.classes, bias=spec.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to logits [n, classes]."""
        x = x.mean((2, 3))
        if self.norm is not None:
            x = self.norm(x)
        if self.hidden is not None:
            x = self.act(self.hidden(x))
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


class ElasticHead(ElasticBlock):
    """Elastic twin of `StaticHead`; inputs, hidden features and classes are leading ones."""

    def __init__(self, blocks: Sequence[Head], generator: torch.Generator) -> None:
        super().__init__()
        cin, hidden = max(b.cin for b in blocks), max(b.hidden for b in blocks)
        self.norm: ElasticBatchNorm | None = None
        if any(b.norm for b in blocks):
            self.norm = ElasticBatchNorm(cin)
        self.hidden: ElasticLinear | None = None
        if hidden:
            biased = any(b.hidden_bias for b in blocks)
            self.hidden = ElasticLinear(cin, hidden, bias=biased, generator=generator)
        self.classifier = ElasticLinear(
            max(b.hidden or b.cin for b in blocks),
            max(b.classes for b in blocks),
            bias=any(b.bias for b in blocks),
            generator=generator,
        )

    def forward(self, x: Tensor, spec: Head) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        x = x.mean((2, 3))
        if self.norm is not None and spec.norm:
            x = self.norm(x)
        if self.hidden is not None and spec.hidden:
            x = activate(self.hidden(x, spec.hidden, spec.hidden_bias), spec.act)
        x = drop(x, spec.dropout, self.training)
        logits: Tensor = self.classifier(x, spec.classes, spec.bias)
        return logits

    def parts(self, spec: Head) -> Sequence[Part]:
        """Return the linear layers with their sizes."""
        parts: list[Part] = []
        if self.norm is not None and spec.norm:
            parts.append(("norm", self.norm, (spec.cin,)))
        if self.hidden is not None and spec.hidden:
            parts.append(("hidden", self.hidden, (spec.cin, spec.hidden, spec.hidden_bias)))
        sizes = (spec.hidden or spec.cin, spec.classes, spec.bias)
        parts.append(("classifier", self.classifier, sizes))
        return parts


register_modules(Head, plain=StaticHead, elastic=ElasticHead)
