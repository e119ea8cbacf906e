"""An independent counter: fvcore's multiply-accumulates of a traced torch module.

For tests of analytic counts. fvcore also counts batch norm and pooling, which are left out
here, and reports zero for operators it does not know, fused attention among them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from torch import nn

__all__ = ["fvcore_macs"]

_COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "baddbmm")


def fvcore_macs(module: nn.Module, in_shape: Sequence[int]) -> int:
    """Return the multiply-accumulates of convolution, linear and matrix products for one image.

    Args:
        module: In evaluation mode.
        in_shape: Of one input, without the batch dimension.

    Raises:
        MissingExtraError: fvcore is not installed.
    """
    import torch

    fvcore = import_optional("fvcore.nn", extra="count", purpose="The independent MAC counter")
    weights = next(module.parameters())
    x = torch.zeros(1, *in_shape, dtype=weights.dtype, device=weights.device)
    logging.getLogger("fvcore.nn.jit_analysis").setLevel(logging.ERROR)
    analysis = fvcore.FlopCountAnalysis(module, x)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = analysis.by_operator()
    return int(sum(counts.get(operator, 0) for operator in _COUNTED))
