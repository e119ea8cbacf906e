"""Writing a kit for a device, and taking its result back."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipapp
from pathlib import Path
from typing import Any

from predictors.errors import MeasurementError, TableError
from predictors.latency.fields import Fields
from predictors.latency.files import write_bytes, write_text
from predictors.latency.identified import identified_space
from predictors.latency.kit_modules import module_closure
from predictors.latency.measurement import Measurement
from predictors.latency.models import ArchitectureModel, EmptyModel
from predictors.latency.plan import ROLES, Item, Plan, block_item
from predictors.latency.runner.identity import Identity, SpaceIdentity
from predictors.latency.runner.journal import round_of
from predictors.latency.runner.kit import PLAN, Kit, kit_of, plan_json, read_kit, read_result
from predictors.latency.runner.options import LutOptions
from predictors.latency.runtimes import FileRuntime, Runtime, get_runtime, list_runtimes
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import block_from_json
from search_spaces.progress import Progress, silent

__all__ = ["RUNNER", "file_runtime", "read_measurement", "space_of_result", "write_kit"]

RUNNER = "runner.pyz"
_README = """\
Latency measurement kit of space {space}, {items} networks for {runtime}.

Copy this folder to the device. It needs Python 3.10 or newer, numpy and {runtime}:

    python3 runner.pyz

It may be stopped at any time, also by a power cut: run it again and it goes on. In the end it
writes result.json. Take that back:

    nas lut import result.json --out device.lut.json

A board whose networks are run by a program that prints milliseconds needs no {runtime}:

    python3 runner.pyz --command './bench {{model}}' --device 'name of the board'
"""


def file_runtime(name: str) -> FileRuntime:
    """Return a runtime whose networks are files.

    Raises:
        MeasurementError: There is no such runtime, or it does not read files.
    """
    runtime: Runtime = get_runtime(name)
    if not isinstance(runtime, FileRuntime):
        files = [n for n in list_runtimes() if isinstance(get_runtime(n), FileRuntime)]
        raise MeasurementError(
            f"The runtime {name!r} reads no files, so it can measure this machine only. "
            f"Choose one of {files}."
        )
    return runtime


def write_kit(
    space: SearchSpace,
    plan: Plan,
    options: LutOptions,
    folder: Path,
    *,
    progress: Progress = silent,
) -> Kit:
    """Write the folder that is copied to a device; what it holds already stays.

    Args:
        space: Whose blocks are measured.
        plan: What is measured.
        options: How; `LutOptions.runtime` reads the files.
        folder: Of the kit; made if it is not there.
        progress: Told how far the work has come.

    Raises:
        TableError: The folder holds another kit, or cannot be written.
        MeasurementError: The runtime reads no files, or has no form for a network.
        MissingExtraError: What converts networks is not installed.
    """
    runtime = file_runtime(options.runtime)
    items = [
        _item_json(item, f"models/{i:05d}{runtime.suffix}") for i, item in enumerate(plan.items)
    ]
    content = plan_json(
        schedule=plan.schedule,
        space=SpaceIdentity.of(space),
        runtime=options.runtime,
        options=options,
        items=items,
    )
    kit = kit_of(folder, Fields(content, PLAN))
    if (folder / PLAN).exists():
        _refuse_another(read_kit(folder), kit)
    try:
        (folder / "models").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TableError(f"Cannot make the folder {folder}: {error.strerror}.") from error
    for position, item in enumerate(plan.items):
        progress(position, len(plan.items), f"writing network {position + 1}")
        if not kit.path(position).exists():
            write_bytes(kit.path(position), runtime.convert(item.model))
    readme = _README.format(space=space.name, items=len(plan.items), runtime=options.runtime)
    write_text(folder / "README.txt", readme)
    write_bytes(folder / RUNNER, runner_zip(runtime))
    write_text(folder / PLAN, json.dumps(content))
    progress(len(plan.items), len(plan.items), "done")
    return kit


def _item_json(item: Item, file: str) -> dict[str, Any]:
    return {
        "role": item.role,
        "file": file,
        "input_shapes": item.model.input_shapes,
        "block": item.block.to_json() if item.block is not None else None,
        "architecture": item.architecture.to_json() if item.architecture is not None else None,
    }


def _refuse_another(found: Kit, kit: Kit) -> None:
    same = ("schedule", "runtime", "space")
    if any(getattr(found, name) != getattr(kit, name) for name in same):
        raise TableError(
            f"{found.folder} holds another kit: plan {found.schedule.digest} for "
            f"{found.runtime} of space {found.space.name!r}. Choose another folder, or delete it."
        )


def runner_zip(runtime: FileRuntime) -> bytes:
    """Return the runner as one file that ``python3`` runs: exactly the modules it needs."""
    module, name = type(runtime).__module__, type(runtime).__name__
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "runner"
        source.mkdir()
        for dotted, path in module_closure(["predictors.latency.runner.main", module]).items():
            target = source.joinpath(*dotted.split(".")).with_suffix(".py")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            for parent in target.relative_to(source).parents[:-1]:
                (source / parent / "__init__.py").touch()
        (source / "__main__.py").write_text(
            f"from {module} import {name}\n"
            "from predictors.latency.runner.main import main\n\n"
            f"raise SystemExit(main({name}()))\n",
            encoding="utf-8",
        )
        packed = Path(folder) / RUNNER
        zipapp.create_archive(source, packed, interpreter="/usr/bin/env python3", compressed=True)
        return packed.read_bytes()


def space_of_result(fields: Fields) -> SearchSpace:
    """Return the space whose blocks a result is of.

    Raises:
        TableError: This version of the program has no such space, or a changed one.
    """
    identity = SpaceIdentity.from_json(fields.object("space"))
    space = identified_space(identity, fields.where)
    if space.fingerprint != identity.fingerprint:
        raise TableError(
            f"{fields.where} is of space {identity.name!r} as another version of the program "
            "defines it, or, by a kit of an earlier version, of a part of it. Nothing is lost: "
            "import it with the version that wrote the kit, or measure with a new kit."
        )
    return space


def read_measurement(
    path: Path, *, kit: Kit | None = None, space: SearchSpace | None = None
) -> tuple[SearchSpace, Measurement]:
    """Return what a device measured, and the space it is of.

    Args:
        path: Of the result.
        kit: It must be the result of this kit; by default of any.
        space: The kit's, where it is known; by default the registered one that it describes.

    Raises:
        TableError: It is missing, cut short, of another plan, or of another version's space.
    """
    fields = read_result(path)
    plan_fields = fields.object("plan")
    found = kit_of(path.parent, plan_fields)
    if kit is not None and found.schedule != kit.schedule:
        raise TableError(
            f"{path} is the result of another plan ({found.schedule.digest}) than "
            f"{kit.folder / PLAN} ({kit.schedule.digest}). Import it without the kit, as a table "
            "of its own."
        )
    space = space or space_of_result(fields)
    batch = found.options.batch_size
    items = tuple(_item(space, item, batch) for item in plan_fields.items("items"))
    plan = Plan(items, found.schedule.parts)
    if plan.digest != found.schedule.digest:
        raise TableError(
            f"{path} is damaged: its items are not those of its plan. Copy it from the device "
            "again."
        )
    parts = [
        tuple(round_of(finished) for finished in _inner(part)) for part in fields.items("rounds")
    ]
    sizes = [{len(r.samples_ms) for r in rounds} for rounds in parts]
    if sizes != [{len(part)} for part in plan.parts]:
        raise TableError(f"{path} is cut short: rounds or samples are missing. Copy it again.")
    measurement = Measurement(
        Identity.from_json(fields),
        plan,
        fields.text("started"),
        fields.text("finished"),
        tuple(parts),
    )
    return space, measurement


def _inner(part: Fields) -> list[Fields]:
    """Return the rounds of a part."""
    return list(Fields({"rounds": part.value}, part.where).items("rounds"))


def _item(space: SearchSpace, fields: Fields, batch: int) -> Item:
    role = fields.text("role")
    if role not in ROLES:
        raise TableError(f"{fields.where}: role must be one of {ROLES}, got {role!r}.")
    block_json, found = fields.optional_object("block"), fields.optional_object("architecture")
    if block_json is not None:
        return block_item(block_from_json(block_json.value), batch)
    if found is not None:
        architecture = Architecture.from_json(found.value)
        model = ArchitectureModel(space, architecture, batch)
        return Item(role, model, architecture=architecture)
    return Item("call", EmptyModel())
