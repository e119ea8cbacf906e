"""Other machines through a real SSH server on the loopback, with a key made for the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nas.cli import main
from predictors import MeasurementError, TableError
from predictors.errors import ConnectionLostError
from predictors.latency import LutOptions, Remote, Ssh, load_table, make_plan
from predictors.latency.runner.kit import JOURNAL
from search_spaces.progress import silent

OPTIONS = LutOptions(rounds=150, calibration_nets=8, validation_nets=4, sample_ms=0.1)
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
"""


def _sshd():
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("no sshd here: install openssh-server")
    for tool in ("ssh", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here: install openssh-client")
    privileges = Path("/run/sshd")
    if os.geteuid() == 0:
        privileges.mkdir(exist_ok=True)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Start an SSH server of our own; yield how to reach it, and its folder."""
    program, folder = _sshd(), tmp_path_factory.mktemp("sshd")
    for name in ("host", "user", "stranger"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
        )
    shutil.copyfile(folder / "user.pub", folder / "authorized")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-D", "-e", "-f", folder / "config"], stderr=log)
    key = (folder / "host.pub").read_text()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {key}")
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        if process.poll() is not None:
            pytest.skip(f"sshd does not run here: {(folder / 'log').read_text()}")
        yield folder, port
    finally:
        process.kill()
        process.wait()


def reach(server, key="user", known="known"):
    folder, port = server
    options = (f"UserKnownHostsFile={folder / known}", "GlobalKnownHostsFile=/dev/null")
    return Ssh("127.0.0.1", port, folder / key, (*options, "ControlPath=none"))


@pytest.fixture
def remote(server, device_python, tmp_path):
    return Remote(reach(server), str(tmp_path / "device"), str(device_python))


def measure(remote, space, work):
    plan = make_plan(space, OPTIONS)
    return remote.measure(space, plan, OPTIONS, work, progress=silent)


def rounds_in(work):
    path = work / JOURNAL
    return path.read_text().splitlines()[1:] if path.exists() else []


def kill_when_measuring(work, find):
    """Kill processes as soon as some rounds came back; return the thread that does."""

    def watch():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(rounds_in(work)) < 5:
            time.sleep(0.02)
        for process in find():
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("broken", ["connection", "device"])
def test_what_breaks_goes_on_where_it_was(
    broken, server, remote, small_space, tmp_path, processes_with
):
    """Break the connection, or let the device lose power, in the middle."""
    work = tmp_path / "kit"
    words = {
        "connection": ("ssh\0", str(server[1]), "--follow"),
        "device": ("runner.pyz", str(tmp_path / "device"), "--json"),
    }
    killer = kill_when_measuring(work, lambda: processes_with(*words[broken]))
    error = ConnectionLostError if broken == "connection" else MeasurementError
    with pytest.raises(error, match="same command again"):
        measure(remote, small_space, work)
    killer.join()
    kept = rounds_in(work)
    assert 5 <= len(kept) < OPTIONS.rounds

    measurement = measure(remote, small_space, work)
    (rounds,) = measurement.parts
    assert len(rounds) == OPTIONS.rounds  # none lost, none measured twice
    for line, finished in zip(kept, rounds, strict=False):
        np.testing.assert_array_equal(finished.samples_ms, json.loads(line)["samples_ms"])
    assert rounds_in(work)[: len(kept)] == kept
    assert not list((tmp_path / "device").iterdir())  # nothing stays on the device


def test_build_and_validate_from_the_command_line(server, device_python, tmp_path, capsys):
    table = tmp_path / "t.lut.json"
    ssh = reach(server)
    where = ["--host", ssh.host, "--port", str(ssh.port), "--identity", str(ssh.identity)]
    where += [word for option in ssh.options for word in ("--ssh-option", option)]
    where += ["--python", str(device_python), "--folder", str(tmp_path / "device")]
    what = ["--space", "nasbench201", "--option", "resolution=8", "--option", "cells=1"]
    how = ["--rounds", "10", "--calibration-nets", "8", "--validation-nets", "0"]
    assert main(["lut", "remote", *where, *what, *how, "--out", str(table)]) == 0
    assert main(["lut", "remote", *where, *what, *how, "--out", str(table)]) == 0  # is there
    capsys.readouterr()
    assert main(["lut", "validate", str(table), "--nets", "6", *where, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["nets"] == figures["ceiling"]["nets"] == 6
    assert {"spearman", "kendall", "bias", "within_5_percent"} <= set(figures)
    assert load_table(table).validation.estimate.nets == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device", "t.lut.json"]


# what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "stranger"}, r"refuses the key.*authorized_keys"),
        ({"known": "nowhere"}, "host is not known: connect once by hand"),
    ],
)
def test_a_host_that_refuses(server, small_space, tmp_path, change, message):
    remote = Remote(reach(server, **change), str(tmp_path / "device"))
    with pytest.raises(MeasurementError, match=message) as refused:
        measure(remote, small_space, tmp_path / "kit")
    assert refused.value.exit_code == 2


def test_a_host_that_is_not_there(small_space, tmp_path):
    if shutil.which("ssh") is None:
        pytest.skip("no ssh here: install openssh-client")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        remote = Remote(Ssh("127.0.0.1", free.getsockname()[1]))
        with pytest.raises(MeasurementError, match=r"Connection refused.*Check --port"):
            measure(remote, small_space, tmp_path / "kit")
    with pytest.raises(MeasurementError, match="USER@HOST"):
        Ssh("-oProxyCommand=x")


def test_a_device_without_python_or_runtime(server, small_space, tmp_path):
    folder = str(tmp_path / "device")
    with pytest.raises(MeasurementError, match="Name a Python that is there with --python"):
        measure(Remote(reach(server), folder, "/no/python3"), small_space, tmp_path / "kit")
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\nexec /usr/bin/env python3 -S -E "$@"\n')
    python.chmod(0o755)
    with pytest.raises(MeasurementError, match="No module named 'numpy'"):
        measure(Remote(reach(server), folder, str(python)), small_space, tmp_path / "kit")


def test_no_room_on_the_device(server, small_space, tmp_path):
    python = tmp_path / "python3"  # tells of a full disk, and is asked nothing else
    python.write_text('#!/bin/sh\necho \'{"free_bytes": 1000, "files": {}}\'\n')
    python.chmod(0o755)
    folder = str(tmp_path / "device")
    with pytest.raises(TableError, match=r"0 MB of room.*--folder"):
        measure(Remote(reach(server), folder, str(python)), small_space, tmp_path / "kit")
