"""The real engine: operators, whole networks by several processes, and what can go wrong.

Needs SPU in an environment of its own, named by NAS_SPU_PYTHON or made by `nas mpc setup`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from predictors import MeasurementError, TableError
from predictors.latency.graph import network
from predictors.mpc import (
    Laws,
    Operator,
    Program,
    get_protocol,
    load_mpc_table,
    predict,
    program_of,
    save_mpc_table,
)
from predictors.mpc.engine import environment
from predictors.mpc.engine.process import Pool, Worker
from predictors.mpc.execute import PrivateNetwork, execute, random_arrays
from predictors.mpc.measure import build_mpc_table
from search_spaces import get_space

SEMI2K = get_protocol("semi2k")
installed = pytest.mark.skipif(
    environment.engine_python() is None, reason="the private engine is not installed"
)


def _smallest() -> Program:
    """Return a network of three convolutions."""
    options = {"resolution": 8, "widths": (4,), "depths": (1,)}
    space = get_space("mpc_resnet", **options)
    return program_of(network(space, space.decode(space.option_counts * 0)))


@installed
@pytest.mark.parametrize("name", ["semi2k", "aby3"])
def test_operators_send_what_the_laws_say(name: str) -> None:
    protocol = get_protocol(name)
    laws = Laws(protocol)
    kinds = {"relu": (96,), "softmax": (5, 12), "layer_norm": (5, 12), "max_pool": (7, 4)}
    with Pool(protocol) as pool:
        kinds |= {"matmul": (2, 3, 4, 5), "gelu": (32,)}
        kinds |= {"polynomial": (32,), "partition": (32, 5)}
        for kind, sizes in kinds.items():
            run = pool.run({"kind": kind, "sizes": sizes})
            cost = laws(Operator(kind, sizes))
            assert run["online_bytes"] == cost.online_bytes
            assert run["sends"] == pytest.approx(cost.sends, rel=0.1, abs=1.5)
            assert run["largest_difference"] < 0.02


@installed
@pytest.mark.parametrize("name", ["semi2k", "aby3"])
def test_a_network_run_by_its_parties_sends_what_was_predicted(name: str) -> None:
    space = get_space("mobile_small", resolutions=[24])
    architecture = space.decode(space.option_counts * 0)
    program = program_of(network(space, architecture))
    protocol = get_protocol(name)
    done = execute(program, random_arrays(program), protocol, warm_up=False)
    predicted = predict(program, Laws(protocol))
    assert done.cost.online_bytes == pytest.approx(predicted.online_bytes, rel=1e-3)
    assert done.cost.sends == pytest.approx(predicted.sends, rel=0 if name == "semi2k" else 0.1)
    assert done.outputs.shape == (1, 10)
    assert done.link == "loopback"
    assert done.cost.cpu_s is not None


@installed
def test_a_table_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.mpc.json"
    first, second = Operator("relu", (64,)), Operator("mul", (64,))
    kept = build_mpc_table([first], SEMI2K, path, repeats=1, under_load=True).rows[first]
    table = build_mpc_table([second, first], SEMI2K, path, repeats=1, under_load=True)
    assert table.rows[first] == kept
    assert load_mpc_table(path).rows == table.rows
    assert table.rows[second].online_bytes == 40 * 64
    with pytest.raises(TableError, match="is a table of semi2k, not of aby3"):
        build_mpc_table([first], get_protocol("aby3"), path, under_load=True)


@installed
def test_what_the_engine_lacks_is_said_and_it_goes_on() -> None:
    with Pool(SEMI2K) as pool:
        with pytest.raises(MeasurementError, match="sparsemax"):
            pool.run({"kind": "sparsemax", "sizes": [4]})
        assert pool.run({"kind": "relu", "sizes": [4]})["online_bytes"] == 144 * 4


@installed
def test_a_process_that_dies_or_hangs_is_no_hang() -> None:
    for number, said in (
        (signal.SIGSTOP, "did not answer within"),
        (signal.SIGKILL, "ended with exit code -9"),
    ):
        with Pool(SEMI2K) as pool:
            os.kill(pool.pid, number)
            with pytest.raises(MeasurementError, match=said):
                pool.run({"kind": "relu", "sizes": [4]}, timeout_s=0.5)


@installed
@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGKILL, "ended with exit code -9"), (signal.SIGSTOP, "did not answer within 1 s")],
)
def test_a_party_that_dies_or_hangs_is_no_hang(number: int, said: str) -> None:
    """The other waits for the engine's own ten minutes; nobody waits for the other."""
    program = _smallest()
    arrays = random_arrays(program)
    start = time.monotonic()
    with PrivateNetwork(program, arrays, SEMI2K) as private:
        private._timeout_s = 1.0
        os.kill(private.pids[1], number)
        with pytest.raises(MeasurementError, match=said):
            private.infer(arrays["input"])
        pids = private.pids
        os.kill(pids[0], signal.SIGKILL)
    assert time.monotonic() - start < 60
    assert not any(Path(f"/proc/{pid}/stat").exists() for pid in pids)


@installed
def test_images_one_after_another() -> None:
    program = _smallest()
    arrays = random_arrays(program)
    images = [arrays["input"], -arrays["input"]]
    done = execute(program, arrays, SEMI2K, images=images, warm_up=False)
    assert done.outputs.shape == (2, 10)
    assert np.abs(done.outputs[0] - done.outputs[1]).max() > 1e-2
    with PrivateNetwork(program, arrays, SEMI2K) as private:
        again = private.infer(images[0])
    assert np.abs(again.output - done.outputs[0]).max() < 1e-2


@installed
def test_values_that_do_not_fit_are_noticed() -> None:
    program = _smallest()
    arrays = random_arrays(program)
    huge = {name: value * np.float32(1e6) for name, value in arrays.items()}
    with pytest.raises(MeasurementError, match="wrapped around"):
        execute(program, huge, SEMI2K, warm_up=False)


def test_an_environment_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NAS_SPU_PYTHON", str(tmp_path / "python"))
    with pytest.raises(MeasurementError, match=r"NAS_SPU_PYTHON names .* no file"):
        environment.engine_python()
    monkeypatch.delenv("NAS_SPU_PYTHON")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert environment.engine_python() is None
    with pytest.raises(MeasurementError, match=r"not installed.*nas mpc setup"):
        Worker(["pool", "semi2k", "18", str(tmp_path / "log")])
    monkeypatch.setattr(environment.sys, "version_info", (3, 13, 0))
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    with pytest.raises(MeasurementError, match=r"wheels for Python 3\.10 or 3\.11 only"):
        environment.install_engine()


def test_a_program_that_is_no_engine_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho no module named spu >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("NAS_SPU_PYTHON", str(script))
    worker = Worker(["pool", "semi2k", "18", str(tmp_path / "log")])
    with worker, pytest.raises(MeasurementError, match="exit code 1: no module named spu"):
        worker.ready()


@installed
def test_a_table_of_another_engine_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.mpc.json"
    operator = Operator("relu", (4,))
    table = build_mpc_table([operator], SEMI2K, path, repeats=1, under_load=True)
    other = {**table.versions, "jax": "0.4.16"}
    save_mpc_table(type(table)(SEMI2K, table.device, other, table.date, table.rows), path)
    with pytest.raises(TableError, match="Measure a new table"):
        build_mpc_table([Operator("mul", (4,))], SEMI2K, path, under_load=True)
