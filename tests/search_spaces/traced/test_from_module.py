"""Spaces of plain modules pass the conformance suites and compute what their model does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from predictors import Macs, Params, compile_cost
from predictors.testing import CostSuite
from search_spaces import (
    Architecture,
    SearchSpace,
    SpaceError,
    Supernet,
    adopt_module,
    get_space,
    register_space,
    registry,
)
from search_spaces.testing import SpaceSuite
from tests.search_spaces.traced.models import (
    BasicBlock,
    DenseNet,
    Functional,
    MobileNet,
    ResNet,
    resnet18,
    resnet50,
    small_resnet,
)

MODELS: dict[str, Callable[[], nn.Module]] = {
    "traced_resnet": small_resnet,
    "traced_mobilenet": MobileNet,
    "traced_densenet": DenseNet,
    "traced_functional": Functional,
}


@cache
def factory_of(name: str) -> Callable[[], SearchSpace]:
    def factory(widths: Sequence[float] = (0.3, 0.7, 1.0)) -> SearchSpace:
        with torch.device("meta"):
            model = MODELS[name]()
        return SearchSpace.from_module(model, name=name, widths=widths, divisor=1)

    return factory


@cache
def space_named(name: str) -> SearchSpace:
    return get_space(name)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    for name in MODELS:
        register_space(name)(factory_of(name))


class TestTracedSpaces(SpaceSuite, CostSuite):
    @pytest.fixture(params=sorted(MODELS))
    def space(self, request: pytest.FixtureRequest, registered: None) -> SearchSpace:
        return space_named(request.param)


def largest(space: SearchSpace) -> Architecture:
    return space.decode(space.option_counts - 1)


def trained(make: Callable[[], nn.Module]) -> nn.Module:
    """Return a model whose every weight and statistic is random."""
    generator = torch.Generator().manual_seed(0)
    model = make().double().eval()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            scale = 0.1 + torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.copy_(tensor * scale + (0.1 * scale if tensor.dim() == 1 else 0.0))
    return model


def images(n: int = 2, hw: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, hw, hw, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("make", MODELS.values(), ids=list(MODELS))
def test_the_largest_architecture_is_the_model(make: Callable[[], nn.Module]) -> None:
    model = trained(make)
    before = copy.deepcopy(model.state_dict())
    space = SearchSpace.from_module(model, divisor=1)
    supernet = Supernet(space).double().eval()
    adopt_module(supernet, model)
    with torch.no_grad():
        expected = model(images())
        top = largest(space)
        for network in (lambda x: supernet(x, top), supernet.subnet(top)):
            assert (network(images()) - expected).abs().max() <= 1e-6 * expected.abs().max()
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    params = sum(parameter.numel() for parameter in model.parameters())
    assert compile_cost(space, Params()).of(top) == params


@pytest.mark.parametrize(
    ("make", "macs", "params"),
    [(resnet18, 1_814_073_344, 11_689_512), (resnet50, 4_089_184_256, 25_557_032)],
)
def test_published_resnets_are_counted_exactly(
    make: Callable[[], nn.Module], macs: int, params: int
) -> None:
    with torch.device("meta"):
        space = SearchSpace.from_module(make(), (3, 224, 224))
    top = largest(space)
    assert compile_cost(space, Macs()).maximum().architecture == top
    assert compile_cost(space, Macs()).of(top) == macs
    assert compile_cost(space, Params()).of(top) == params


def test_channels_that_meet_shrink_together() -> None:
    space = SearchSpace.from_module(ResNet(BasicBlock, (2, 2), width=16, classes=3))
    widths = {choice.name: choice.options for choice in space.choices}
    assert widths == {
        "width_conv1": (8, 16),  # the stem and what both blocks of the first stage add to it
        "width_layer1_0_conv1": (8, 16),
        "width_layer1_1_conv1": (8, 16),
        "width_layer2_0_conv1": (8, 16, 24, 32),
        "width_layer2_0_conv2": (8, 16, 24, 32),  # and the shortcut's, and the next block's
        "width_layer2_1_conv1": (8, 16, 24, 32),
    }
    blocks = space.blocks(largest(space).replace(width_layer2_0_conv2=24))
    assert blocks["layer2.1.conv2"].out_shape == (24, 4, 4)
    assert blocks["layer2.0.downsample.0"].out_shape == (24, 4, 4)
    assert blocks["fc"].in_shape == (24,)


def test_a_subnet_of_a_concatenation_uses_the_leading_channels_of_every_piece() -> None:
    model = trained(DenseNet)
    space = SearchSpace.from_module(model, widths=(0.5, 1.0), divisor=1)
    supernet = Supernet(space).double().eval()
    adopt_module(supernet, model)
    chosen = largest(space).replace(width_stem=4, width_layers_0_conv=2)
    weight = supernet.subnet(chosen).state_dict()["blocks.layers_1_conv.conv.weight"]
    kept = [0, 1, 2, 3, 8, 9]
    assert torch.equal(weight, model.layers[1].conv.weight[:, kept])


def test_what_stays_stays() -> None:
    space = SearchSpace.from_module(MobileNet(), keep=["blocks.1.expand", "stem"], divisor=1)
    assert [choice.name for choice in space.choices] == [
        "width_blocks_0_expand_0",
        "width_blocks_0_se_fc_0",
        "width_blocks_1_se_fc_0",
        "width_blocks_1_project_0",
    ]
    grouped = SearchSpace.from_module(Functional(), divisor=1)
    assert [choice.name for choice in grouped.choices] == ["width_conv1", "width_side"]


def test_the_model_keeps_its_modes() -> None:
    model = MobileNet().train()
    model.stem.eval()
    before = [module.training for module in model.modules()]
    SearchSpace.from_module(model)
    assert [module.training for module in model.modules()] == before


class _Overwrites(nn.Module):
    """A ReLU in place, whose input a shortcut reads afterwards and a convolution before."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = self.second(x)
        self.relu(x)
        return y + x


def test_what_reads_an_overwritten_tensor_reads_what_overwrote_it() -> None:
    model = trained(_Overwrites)
    supernet = Supernet(SearchSpace.from_module(model)).double().eval()
    adopt_module(supernet, model)
    with torch.no_grad():
        expected = model(images())
        made = supernet(images(), largest(supernet.space))
    assert (made - expected).abs().max() <= 1e-6 * expected.abs().max()


class _Own(nn.Module):
    """A convolution, and a forward that is given."""

    def __init__(self, rest: Callable[[nn.Module, Tensor], object], **parts: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.scale = nn.Parameter(torch.ones(1))
        for name, part in parts.items():
            self.add_module(name, part)
        self.rest = rest

    def forward(self, x: Tensor) -> object:
        return self.rest(self, x)


class _Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_Own(lambda m, x: m.conv(x) * m.scale), r"'scale'.*through modules only"),
        (_Own(lambda m, x: m.conv(x) + 1), r"'add' \(node 'add', in the model's.*not constants"),
        (_Own(lambda m, x: F.softmax(m.conv(x), 1)), r"'softmax'.*no elastic counterpart"),
        (_Own(lambda m, x: m.conv(x)[:, :4]), "'getitem'"),
        (_Own(lambda m, x: m.conv(x).chunk(2, 1)[0]), "'getitem'"),
        (_Own(lambda m, x: m.conv(x).permute(0, 2, 3, 1)), "'permute'"),
        (_Own(lambda m, x: m.conv(x).mean(1)), r"'mean'.*dim=\(2, 3\)"),
        (_Own(lambda m, x: m.conv(x).view(2, 4, -1)), "can be flattened, not changed"),
        (_Own(lambda m, x: torch.cat([m.conv(x)] * 2, 2)), "only channels, dim=1"),
        (_Own(lambda m, x: (m.conv(x), x)), "must return one tensor"),
        (_Own(lambda m, x: m.conv(x).flatten()), "keep the images of a batch apart"),
        (_Own(lambda m, x: m.conv(x) + m.conv(x)), r"'conv'.*has weights and ran before"),
        (_Own(lambda m, x: m.inner(m.conv(x)), inner=_Branches()), r"trace module 'inner'"),
        (_Own(lambda m, x: m.t(x), t=nn.ConvTranspose2d(3, 4, 2)), "'t'.*ConvTranspose2d has no"),
        (_Own(lambda m, x: m.c(x), c=nn.Conv2d(3, 4, 3, padding_mode="reflect")), "'reflect'"),
        (_Own(lambda m, x: m.c(x), c=nn.Conv2d(3, 4, 2, padding="same")), "of an even kernel"),
        (_Own(lambda m, x: m.b(x), b=nn.BatchNorm2d(3, affine=False)), "needs a scale"),
        (_Own(lambda m, x: m.a(x), a=nn.GELU(approximate="tanh")), "exact GELU"),
        (_Own(lambda m, x: m.l(x), l=nn.Linear(32, 4)), "flatten first"),
        (_Own(lambda m, x: m.c(x), c=nn.Conv2d(1, 4, 3)), r"cannot run on images.*input_shape="),
        (_Own(lambda m, x: m.conv(x + x.mean((2, 3), keepdim=True))), "inputs have the shapes"),
    ],
)
def test_what_cannot_be_traced_is_named(model: nn.Module, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SearchSpace.from_module(model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (0.5,)}, "at most 1.0, and 1.0 itself"),
        ({"widths": (1.0, 1.5)}, "at most 1.0"),
        ({"widths": (0.0, 1.0)}, "widths must be above zero"),
        ({"divisor": 0}, "divisor must be above zero"),
        ({"keep": ["layer"]}, "keep names 'layer'.*Did you mean 'layer"),
        ({"keep": "layers"}, "must be a list"),
    ],
)
def test_mistakes_are_named(options: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SearchSpace.from_module(DenseNet(), **{"divisor": 1, **options})


def test_too_many_concatenated_groups_are_named() -> None:
    with pytest.raises(SpaceError, match=r"'layers.7.conv' reads so many groups.*keep some of"):
        SearchSpace.from_module(DenseNet(layers=10), divisor=1)
    space = SearchSpace.from_module(DenseNet(layers=10), divisor=1, widths=(0.5, 1.0))
    assert len(space.choices) == 12


def test_the_weights_of_another_model_are_refused() -> None:
    supernet = Supernet(SearchSpace.from_module(small_resnet()))
    other = ResNet(BasicBlock, (2, 1), width=8, classes=5)
    with pytest.raises(SpaceError, match=r"not made from this model: slot 'layer1.0.conv1'"):
        adopt_module(supernet, other)


def test_what_tracing_cannot_see_is_noticed_by_its_output() -> None:
    model = small_resnet()
    supernet = Supernet(SearchSpace.from_module(model))
    model.fc.register_forward_hook(lambda module, given, output: 2 * output)
    with pytest.raises(SpaceError, match="does not compute what the model does"):
        adopt_module(supernet, model)
