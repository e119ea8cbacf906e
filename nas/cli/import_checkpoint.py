"""``nas import-checkpoint --format NAME FILE``."""

from __future__ import annotations

import argparse
from pathlib import Path

from nas.cli.arguments import add_json, add_space, chosen_space, refuse_space
from nas.cli.output import print_json
from nas.config import Config, load_config
from nas.errors import ConfigError, RunError
from nas.problems import space_of
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("checkpoint", metavar="FILE", type=Path, help="a checkpoint of torch")
    parser.add_argument(
        "--format",
        metavar="NAME",
        required=True,
        help="whose names it has: attentive_nas (AlphaNet too), autoformer, ofa (once-for-all)",
    )
    add_space(parser)
    parser.add_argument(
        "--config",
        dest="config_file",
        metavar="CONFIG",
        type=Path,
        help="a TOML file that names space, data and search; --out is then a run folder",
    )
    parser.add_argument(
        "--out",
        metavar="NEW",
        type=Path,
        required=True,
        help="a safetensors file to write, or with --config a run folder to make",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from nas.foreign import import_checkpoint, save_supernet_file

    config = _config(arguments)
    space = chosen_space(arguments) if config is None else space_of(config)
    if config is None and arguments.out.suffix != ".safetensors":
        raise ConfigError(
            f"--out names a file that ends in .safetensors, got {arguments.out}. For a run folder "
            "that can be searched give --config CONFIG.toml."
        )
    if config is not None and arguments.out.exists():
        raise RunError(f"{arguments.out} exists already. Name a new run folder with --out.")
    supernet = import_checkpoint(arguments.checkpoint, space, format=arguments.format)
    source = f"{arguments.format} checkpoint {arguments.checkpoint.name}"
    if config is None:
        save_supernet_file(supernet, arguments.out, source=source)
    else:
        from nas.foreign.adopt import adopt

        folder = RunFolder.create(arguments.out, config)
        with folder.lock():
            adopt(folder, supernet, source=source)
    tensors, weights = len(supernet.state_dict()), sum(p.numel() for p in supernet.parameters())
    if arguments.json:
        about = {"space": space.name, "options": dict(space.options), "source": source}
        print_json({"out": str(arguments.out), **about, "tensors": tensors, "parameters": weights})
        return
    print(f"imported {tensors} tensors, {weights:,} parameters: {arguments.out}")
    if config is not None:
        print(f"next: nas search --resume {arguments.out}")


def _config(arguments: argparse.Namespace) -> Config | None:
    """Return the configuration, if one is named.

    Raises:
        ConfigError: A space is named as well, or the configuration is wrong.
    """
    if arguments.config_file is None:
        return None
    refuse_space(arguments, "--config")
    return load_config(arguments.config_file)
