"""Configuration: what is right is resolved, what is wrong is told at once and by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.config import Config, Limit, changed_keys, load_config, parse_config, parse_limit
from nas.errors import ConfigError

GOOD = """
seed = 3
[space]
name = "mobile_small"
options = { classes = 10, widths = [0.5, 1.0] }
[data]
format = "digits"
validation = 300
[train]
epochs = 4
batch_size = 64
learning_rate = 1
[latency]
runtime = "torch"
[search.limits]
macs = "60M"
latency_ms = 2.5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def errors(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text), overrides)
    first, *lines = str(caught.value).split("\n  ")
    count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
    assert first == f"{count} in the configuration {folder / 'run.toml'}:"
    return lines


def test_a_file_is_resolved_with_its_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert (config.seed, config.space.options["widths"]) == (3, [0.5, 1.0])
    assert config.train.learning_rate == 1.0
    assert isinstance(config.train.learning_rate, float)
    assert (config.train.strategy, config.train.weight_decay) == ("single_path", 4e-5)
    assert config.latency is not None
    assert config.latency.runtime == "torch"
    assert config.evaluate.calibration_images == 2000
    assert config.search.parsed_limits() == (
        Limit("macs", value=60e6),
        Limit("latency_ms", value=2.5),
    )
    assert config.export.formats == ("safetensors",)


def test_json_leads_back_to_the_same_config(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD), ['export.formats=["onnx", "pt2"]'])
    again = parse_config(config.to_json(), source="config.json")
    assert again == config
    assert again.config_hash == config.config_hash
    assert len(config.config_hash) == 16
    assert load_config(tmp_path / "run.toml", ["seed=4"]).config_hash != config.config_hash


def test_a_config_is_frozen(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 5  # type: ignore[misc]


def test_every_key_has_a_sentence_of_description() -> None:
    def undocumented(section: Any, prefix: str = "") -> list[str]:
        return [
            f"{prefix}{name}"
            for name, field in section.model_fields.items()
            if not (field.description or "").endswith(".")
        ]

    assert undocumented(Config) == []
    for name in ("space", "train", "evaluate", "search", "export"):
        assert undocumented(Config.model_fields[name].annotation, f"{name}.") == []


def test_overrides_are_read_as_toml_and_bare_words_as_strings(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, GOOD),
        [
            "train.epochs=3",
            "train.epochs = 7",
            "train.amp=false",
            "train.device=cuda:1",
            "train.ema_decay=1e-3",
            "space.options.width=1.5",
            "space.options.note=a = b",
            "search.limits.macs=60%",
            "evaluate.batch_size=10",
            'export.formats=["onnx"]',
        ],
    )
    assert (config.train.epochs, config.train.amp, config.train.ema_decay) == (7, False, 1e-3)
    assert config.train.device == "cuda:1"
    assert config.space.options["width"] == 1.5
    assert config.space.options["note"] == "a = b"
    assert config.search.parsed_limits()[0] == Limit("macs", share=0.6)
    assert config.evaluate.batch_size == 10
    assert config.export.formats == ("onnx",)


def test_an_override_may_open_a_section(tmp_path: Path) -> None:
    text = GOOD.replace('[latency]\nruntime = "torch"\n', "")
    assert errors(tmp_path, text) == [
        "search.limits.latency_ms = 2.5: a latency needs a section [latency], or a predictor of "
        "it in [[predictors]]"
    ]
    assert load_config(tmp_path / "run.toml", ["latency.threads=2"]).latency is not None


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    text = """
sed = 1
epochs = 9
[space]
nam = "mobile_small"
[data]
format = "digit"
validation = 10
[train]
epoch = 3
batch_size = "64"
optimizer = "adam"
learning_rate = true
momentum = nan
device = "gpu"
searcher = "random"
[search.limits]
macs = "-5"
latency_ms = "2 KiB"
params = "1G"
[export]
top = 0
formats = ["onnx", "tflite"]
"""
    lines = errors(tmp_path, text, "evaluate.batch_size=0", "train", "seed.low=1")
    assert lines[0].startswith("override 'train': must be KEY=VALUE")
    expected = {
        'seed = {"low": 1}': "must be a valid integer",
        "space.name": "is required and missing. Name of a registered search space.",
        'space.nam = "mobile_small"': "unknown key. Did you mean 'name'?",
        'data.format = "digit"': "must be 'digits', 'idx', 'npz', 'cifar', 'folder' or "
        "'webdataset'",
        "train.epochs": "is required and missing. Passes over the training images.",
        "train.epoch = 3": "unknown key. Did you mean 'epochs'?",
        'train.batch_size = "64"': "must be a valid integer",
        'train.optimizer = "adam"': "must be 'sgd' or 'adamw'",
        "train.learning_rate = true": "must be a valid number",
        "train.momentum = NaN": "must be a finite number",
        'train.device = "gpu"': "must be auto, cpu, mps, cuda, or one of several GPUs as cuda:0",
        'train.searcher = "random"': "unknown key. It belongs to the section [search].",
        "evaluate.batch_size = 0": "must be greater than or equal to 1",
        'search.limits.macs = "-5"': "must be above 0 and finite. Allowed: a number above 0, "
        'with or without one of K, M, G; or a share of the largest subnet such as "60%".',
        'search.limits.latency_ms = "2 KiB"': "has the unit 'KiB'. Allowed: a number above 0, "
        'with or without one of ms, s; or a share of the largest subnet such as "60%".',
        "export.top = 0": "must be greater than or equal to 1",
        'export.formats.1 = "tflite"': "must be 'safetensors', 'onnx' or 'pt2'",
        "sed = 1": "unknown key. Did you mean 'seed'?",
        "epochs = 9": "unknown key. It belongs to the section [train].",
    }
    assert sorted(lines[1:]) == sorted(f"{key}: {told}" for key, told in expected.items())


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train=3", "train = 3: must be a section [train] with keys of its own"),
        ("train.epochs", "override 'train.epochs': must be KEY=VALUE, for example train.epochs=3"),
        ("train..epochs=3", "override 'train..epochs=3': must be KEY=VALUE"),
        ("train.epochs=", "override 'train.epochs=': must be KEY=VALUE"),
        ("seed.low=3", "override 'seed.low=3': seed is no section"),
        ("space.options.a=[1", "override 'space.options.a=[1': the value [1 is no valid TOML"),
        ("train.epochs=3\nseed=4", 'train.epochs = "3\\nseed=4": must be a valid integer'),
        ("train.warmup_epochs=9", "train.warmup_epochs = 9: must be at most epochs = 4"),
        (
            "train.momentum=0",
            "train.nesterov (not given, so its default): needs a momentum above 0",
        ),
        ("search.parents=60", "search.parents = 60: must be at most population = 50"),
        (
            'search.minimize=["macs"]',
            'search.minimize = ["macs"]: evolution looks for one objective; set searcher to',
        ),
        ("search.limits=3", "search.limits = 3: must be a valid dictionary"),
        ("search.limits.macs=true", "search.limits.macs = true: is no number"),
        ("train.ema_decay=2", "train.ema_decay = 2: must be less than 1"),
        ("data.path=there", "data: `path` is"),
        ("latency.tabel=a", "latency.tabel = \"a\": unknown key. Did you mean 'table'?"),
        (
            "augment.xyz=1",
            "augment.xyz = 1: unknown key. Known: crop_padding, cutmix, cutout, erase, flip, "
            "mixup, rand_augment, rand_magnitude.",
        ),
        ("export.formats=[]", "export.formats = []: "),
        ("seed=-1", "seed = -1: must be greater than or equal to 0"),
    ],
)
def test_each_mistake_has_its_line(tmp_path: Path, override: str, line: str) -> None:
    (told,) = errors(tmp_path, GOOD, override)
    assert told.startswith(line)


def test_paths_are_relative_to_the_file_and_in_overrides_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    text = GOOD.replace('format = "digits"', 'format = "npz"\npath = "../images.npz"')
    path = write(tmp_path / "configs", text.replace("[latency]", '[latency]\ntable = "~/a.json"'))
    config = load_config(path)
    assert config.data.path == str(tmp_path / "images.npz")
    assert config.latency is not None
    assert config.latency.table == str(tmp_path / "home" / "a.json")
    config = load_config(path, ["data.path=here.npz"])
    assert config.data.path == str(tmp_path / "work" / "here.npz")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(ConfigError, match=r"runn\.toml does not exist\. Did you mean 'run\.toml'"):
        load_config(tmp_path / "runn.toml")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "gr\xf6\xdfe"')
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        load_config(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match=r"no valid TOML: .*line 2, column 8"):
        load_config(write(tmp_path, "[train]\nepochs 3\n"))
    with pytest.raises(ConfigError, match=r"no valid TOML: Cannot overwrite a value.*line 3"):
        load_config(write(tmp_path, "[train]\nepochs = 3\nepochs = 4\n"))


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_config(path) == load_config(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("metric", "text", "value"),
    [
        ("macs", "60M", 60e6),
        ("macs", 60_000_000, 60e6),
        ("macs", "1_000", 1e3),
        ("params", " 1.5 G ", 1.5e9),
        ("params", "200K", 200e3),
        ("macs", "6e7", 6e7),
        ("latency_ms", "2.5 ms", 2.5),
        ("latency_ms", "2s", 2000.0),
        ("energy_mj", "1.5 J", 1500.0),
        ("energy_mj", "2 mJ", 2.0),
        ("latency_ms", 2.5, 2.5),
        ("latency_ms", ".5", 0.5),
        ("mpc_online_s", "300ms", 0.3),
        ("mpc_online_s", "3 s", 3.0),
        ("peak_memory_bytes", "64 KiB", 65536.0),
        ("peak_memory_bytes", "64Ki", 65536.0),
        ("peak_memory_bytes", "1.5MiB", 1.5 * 2**20),
        ("peak_memory_bytes", "2 MB", 2e6),
        ("peak_memory_bytes", "512 B", 512.0),
    ],
)
def test_an_absolute_limit(metric: str, text: float | str, value: float) -> None:
    limit = parse_limit(metric, text)
    assert limit == Limit(metric, value=pytest.approx(value))
    assert limit.resolve(1.0) == pytest.approx(value)


def test_a_share_of_the_largest() -> None:
    limit = parse_limit("latency_ms", "60 %")
    assert limit == Limit("latency_ms", share=0.6)
    assert limit.resolve(50.0) == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<= 20 @ 95%", Limit("latency_ms", 20.0, confidence=0.95)),
        ("0.02 s@99.5 %", Limit("latency_ms", 20.0, confidence=0.995)),
        ("60% @ 90%", Limit("latency_ms", share=0.6, confidence=0.9)),
        ("<= 20", Limit("latency_ms", 20.0)),
    ],
)
def test_a_limit_with_a_confidence(text: str, expected: Limit) -> None:
    assert parse_limit("latency_ms", text) == expected


@pytest.mark.parametrize("text", ["20 @ 100%", "20 @ 0%", "20 @ 0.95", "20 @", "20 @ 9 @ 5%"])
def test_a_confidence_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match=r"after @ stands a confidence .*\"<= 20 @ 95%\""):
        parse_limit("latency_ms", text)


@pytest.mark.parametrize("text", [-1, 0, "0%", "-60%", "nan", float("nan"), float("inf"), "1e999"])
@pytest.mark.parametrize("metric", ["macs", "latency_ms"])
def test_a_limit_must_be_above_zero(metric: str, text: float | str) -> None:
    with pytest.raises(ConfigError, match=f"limit {metric} = .*(above 0|no number)"):
        parse_limit(metric, text)


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("macs", "60 ms"),
        ("macs", "60 KiB"),
        ("macs", "60m"),
        ("latency_ms", "2M"),
        ("latency_ms", "2 us"),
        ("peak_memory_bytes", "2 ms"),
        ("macs", "sixty"),
        ("macs", ""),
        ("macs", "M"),
        ("macs", "1,000"),
        ("macs", "101%"),
        ("macs", True),
        ("macs", "6 0 M"),
        ("macs", "٦٠"),
    ],
)
def test_a_limit_with_another_unit_or_no_number(metric: str, text: float | str) -> None:
    with pytest.raises(ConfigError, match=f"limit {metric} = "):
        parse_limit(metric, text)


@given(value=st.floats(1e-6, 1e12), unit=st.sampled_from(["", "K", "M", "G"]))
def test_a_limit_is_its_number_times_its_unit(value: float, unit: str) -> None:
    factor = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9}[unit]
    assert parse_limit("macs", f"{value!r}{unit}").value == pytest.approx(value * factor)


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.lists(st.integers(), max_size=2))
tables = st.recursive(
    st.dictionaries(st.sampled_from("abc"), leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(inner, leaves), max_size=3),
    max_leaves=8,
)


def leaf_paths(table: Any, prefix: str = "") -> dict[str, Any]:
    found = {prefix[:-1]: table}
    if isinstance(table, dict):
        for key, value in table.items():
            found |= leaf_paths(value, f"{prefix}{key}.")
    return found


@given(old=tables, new=tables)
def test_changed_keys_are_exactly_the_differences(old: Any, new: Any) -> None:
    changed = changed_keys(old, new)
    assert (changed == []) == (old == new)
    assert changed == changed_keys(new, old)
    before, after = leaf_paths(old), leaf_paths(new)
    for key in changed:
        assert (key in before) != (key in after) or before[key] != after[key]


def test_changed_keys_name_the_place(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    old = load_config(path).to_json()
    new = load_config(path, ["train.epochs=9", "search.limits.macs=5M", "seed=1"]).to_json()
    assert changed_keys(old, new) == ["search.limits.macs", "seed", "train.epochs"]
    assert changed_keys(old, old) == []


def test_the_configuration_needs_no_torch() -> None:
    code = (
        "import sys, nas.config, nas.runs, nas.files, nas.archive;"
        "print([name for name in ('torch', 'sklearn', 'scipy') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert ran.stdout == "[]\n"


STAGES = """
[[train.stages]]
name = "full"
epochs = 3
[[train.stages]]
name = "kernel"
epochs = 2
open = { "kernel_*" = [3, 5], kind = ["a"] }
"""


def staged(text: str = STAGES) -> str:
    head, tail = GOOD.replace("epochs = 4\n", 'strategy = "progressive"\n').split("[latency]")
    return f"{head}{text}[latency]{tail}"


def test_the_epochs_of_stages_are_added_up(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, staged()))
    assert config.train.epochs == 5
    assert config.train.stages[1].open == {"kernel_*": (3, 5), "kind": ("a",)}
    assert parse_config(config.to_json(), source="config.json") == config


def test_stages_that_do_not_add_up(tmp_path: Path) -> None:
    text = staged().replace("batch_size", "epochs = 9\nwarmup_epochs = 1\nbatch_size")
    lines = errors(tmp_path, text.replace("epochs = 2", "epochs = 2\nwarmup_epochs = 4"))
    assert any(
        "train.epochs = 9" in line and "sum of the stages' epochs, 5" in line for line in lines
    )
    assert any(
        "train.stages.1.warmup_epochs" in line and "at most epochs = 2" in line for line in lines
    )
    assert any("warmup_epochs of its stages" in line for line in lines)
    assert "needs at least one" in "".join(
        errors(tmp_path, staged("").replace("batch", "epochs = 1\nbatch", 1))
    )


def test_keys_of_another_strategy_are_refused(tmp_path: Path) -> None:
    (line,) = errors(tmp_path, GOOD, "train.candidates=5")
    assert line.startswith("train.candidates = 5: is for attentive, the strategy is single_path")
    (line,) = errors(tmp_path, GOOD, "train.strategy=attentive")
    assert "train.cost_bins" in line
    (line,) = errors(tmp_path, GOOD, "train.strategy=delayed", "train.full_epochs=4")
    assert line.startswith("train.full_epochs = 4: and the 0.08 ramp_epochs must be less")
    (line,) = errors(tmp_path, GOOD, "train.strategy=finetune", 'train.inner_slots=["stem"]')
    assert line == (
        'train.inner_slots = ["stem"]: says what inner_weight compares, and that is 0; set it too'
    )
