"""Published latency tables: keys, sums, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nas.cli import main
from predictors import TableError, compile_cost
from predictors.foreign import LookupTable, load_lookup_table
from predictors.foreign.keys import dialect_of, keys_of
from search_spaces import Architecture, get_space
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.published import published_subnets

pytest.importorskip("yaml", reason="PyYAML comes with the extra foreign")

NOTE10 = "latency_tables/ofa_mbv3_note10_224.yaml"
PIXEL1 = "latency_tables/proxyless_pixel1_224.yaml"
ROW = "expanded_conv-input:8x8x4-output:8x8x4-expand:12-kernel:3-stride:1-idskip:1-se:0-hs:0"


def test_keys_of_once_for_all() -> None:
    block = MBConv(24, 40, 96, 57, kernel=5, stride=2, act="h_swish", se=24)
    assert keys_of(block, "once-for-all") == (
        "expanded_conv-input:57x57x24-output:29x29x40-expand:96-kernel:5-stride:2-idskip:0"
        "-se:1-hs:1",
    )
    assert keys_of(Conv(3, 16, 224, kernel=3, stride=2), "once-for-all") == (
        "Conv-input:224x224x3-output:112x112x16",
    )
    assert keys_of(Head(960, 10, 7, hidden=1280), "once-for-all") == (
        "AvgPool2D-input:7x7x960-output:1x1x960",
        "Conv_2-input:1x1x960-output:1x1x1280",
        "Logits-input:1x1x1280-output:10",
    )


def test_keys_of_proxylessnas() -> None:
    block = MBConv(24, 24, 144, 56, kernel=7, act="relu6", shortcut=True)
    assert keys_of(block, "ProxylessNAS") == (
        "expanded_conv-input:56x56x24-output:56x56x24-expand:6-kernel:7-stride:1-idskip:1",
    )
    assert keys_of(Head(1280, 1000, 7), "ProxylessNAS") == ("Logits-input:7x7x1280-output:1000",)


@pytest.mark.parametrize(
    ("block", "dialect"),
    [
        (MBConv(8, 8, 24, 4, act="swish"), "once-for-all"),
        (MBConv(8, 8, 24, 4, se=5), "once-for-all"),
        (MBConv(8, 8, 25, 4), "ProxylessNAS"),
        (MBConv(8, 16, 24, 4, shortcut=True, shortcut_kind="pool_conv"), "once-for-all"),
        (Conv(8, 16, 4, kernel=5), "once-for-all"),
        (Head(8, 10, 4, hidden=16), "ProxylessNAS"),
        (Head(8, 10, 4), "once-for-all"),
    ],
)
def test_what_a_format_cannot_describe_is_refused(block: MBConv, dialect: str) -> None:
    table = LookupTable({ROW: 1.0}, dialect, "t.yaml")  # type: ignore[arg-type]
    with pytest.raises(TableError, match="cannot describe"):
        table(block)


def test_a_missing_row_is_named_with_the_nearest() -> None:
    table = LookupTable({ROW: 1.0}, "once-for-all", "t.yaml")
    assert table(MBConv(4, 4, 12, 8, shortcut=True)) == 1.0
    with pytest.raises(TableError, match=r"kernel:5.*Did you mean"):
        table(MBConv(4, 4, 12, 8, kernel=5, shortcut=True))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[1, 2]", "no latency table"),
        ("a: {mean: 1.0}", "no latency table"),
        ("{", "no plain YAML"),
        ("!!python/object/apply:os.getcwd []", "no plain YAML"),
        (f"{ROW}: {{mean: x}}", "needs a number"),
        (f"{ROW}: {{mean: -1}}", "not a positive number"),
        (f"{ROW}: {{mean: .nan}}", "not a positive number"),
        (f"{ROW}: 3", "needs a number"),
    ],
)
def test_damaged_files(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=match):
        load_lookup_table(path)
    with pytest.raises(TableError, match="Cannot read"):
        load_lookup_table(tmp_path / "none.yaml")


def test_dialects() -> None:
    assert dialect_of(["Conv-x", ROW]) == "once-for-all"
    assert dialect_of([ROW.removesuffix("-se:0-hs:0")]) == "ProxylessNAS"
    assert dialect_of(["Conv-x"]) is None


def test_the_note10_table_covers_the_space_and_sums_to_the_known_latencies(
    shared_data: Path,
) -> None:
    table = load_lookup_table(shared_data / NOTE10, device="Samsung Note10")
    space = get_space("ofa_mobilenet_v3", width=1.2, resolutions=[224])
    table.check(space)
    cost = compile_cost(space, table)
    assert cost.metric == "latency_ms"
    assert str(cost.provenance) == (
        "table, once-for-all latency table ofa_mbv3_note10_224.yaml, Samsung Note10"
    )
    published = json.loads(
        (shared_data / "once_for_all_published.json").read_text(encoding="utf-8")
    )
    known = {
        net["name"]: net["computed"]["note10_lut_ms"]
        for net in published["ofa_specialized"]
        if "note10_lut_ms" in net["computed"]
    }
    assert len(known) == 3
    subnets = {subnet.name: subnet.architecture for subnet in published_subnets()}
    for name, latency_ms in known.items():
        assert cost.of(subnets[name]) == pytest.approx(latency_ms, abs=5e-4)
    assert cost.minimum().value < cost.maximum().value


def test_the_note10_table_refuses_other_resolutions_and_widths(shared_data: Path) -> None:
    table = load_lookup_table(shared_data / NOTE10)
    for options in ({"width": 1.0, "resolutions": [224]}, {"width": 1.2, "resolutions": [192]}):
        with pytest.raises(TableError, match=r"Its stem is input:224x224x3"):
            table.check(get_space("ofa_mobilenet_v3", **options))


def test_the_pixel1_table_covers_the_space_it_was_made_for(shared_data: Path) -> None:
    table = load_lookup_table(shared_data / PIXEL1, device="Pixel 1")
    widths = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
    space = get_space("proxyless", widths=widths)
    table.check(space)
    cost = compile_cost(space, table)
    largest = space.blocks(cost.maximum().architecture).values()
    by_hand = sum(table(block) for block in largest if block is not None)
    assert cost.maximum().value == pytest.approx(by_hand)
    with pytest.raises(TableError, match=r"lacks .* keys .*16-output:56x56x32"):
        table.check(get_space("proxyless"))


def test_the_pixel1_table_lacks_three_rows_of_the_published_mobile_network(
    shared_data: Path,
) -> None:
    """The table was made for 24 channels in the first stage, the published network has 32."""
    table = load_lookup_table(shared_data / PIXEL1)
    [subnet] = [s for s in published_subnets() if s.name == "proxyless_mobile"]
    space = get_space(subnet.space, **subnet.options)
    keys: set[str] = set()
    for block in space.blocks(subnet.architecture).values():
        if block is not None:
            keys.update(keys_of(block, "ProxylessNAS") or ())
    missing = keys - set(table.rows_ms)
    assert len(missing) == 3
    assert all("x32" in key for key in missing)


def test_the_command_prices_with_a_published_table(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [subnet] = [s for s in published_subnets() if s.name == "ofa-389M"]
    path = tmp_path / "net.json"
    path.write_text(json.dumps(Architecture(subnet.architecture).to_json()), encoding="utf-8")
    space = ["--space", "ofa_mobilenet_v3", "--option", "width=1.2"]
    lut = [
        "--lut",
        str(shared_data / NOTE10),
        "--lut-device",
        "Note10",
        "--architecture",
        str(path),
    ]
    assert main(["cost", *space, "--option", "resolutions=[224]", *lut, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["latency_ms"] == pytest.approx(34.923, abs=5e-4)
    assert result["provenance"]["latency_ms"]["device"] == "Note10"
    assert main(["cost", *space, *lut]) == 2
    assert "lacks" in capsys.readouterr().err
