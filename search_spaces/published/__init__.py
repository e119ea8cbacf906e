"""Published subnets: configurations and counts that a space here must reproduce.

Only facts: what a paper or its repository prints, and the architecture it prints it for, in
the choices of the space of this package. Computing the counts is left to the reader:
`predictors.compile_cost`, or a table made of this list.
"""

from __future__ import annotations

from search_spaces.published.cells import darts, nasbench201, nasnet
from search_spaces.published.convolutional import fasternet, ghostnet, lsnet, single_path
from search_spaces.published.mobile import attentive_nas, mcunet, netaug, proxyless
from search_spaces.published.once_for_all import ofa_resnet50, once_for_all
from search_spaces.published.scaled import efficientnet, efficientnet_v2
from search_spaces.published.subnet import PublishedSubnet
from search_spaces.published.transformers import autoformer, prenas, vit_resnas

__all__ = ["PublishedSubnet", "published_subnets"]


def published_subnets() -> list[PublishedSubnet]:
    """Return all of them, by space."""
    return [
        *once_for_all(),
        *ofa_resnet50(),
        *attentive_nas(),
        *proxyless(),
        *netaug(),
        *single_path(),
        *efficientnet(),
        *autoformer(),
        *prenas(),
        *vit_resnas(),
        *nasbench201(),
        *mcunet(),
        *ghostnet(),
        *fasternet(),
        *efficientnet_v2(),
        *lsnet(),
        *nasnet(),
        *darts(),
    ]
