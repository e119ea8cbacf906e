"""Weights that others published, as weights of our supernets."""

from __future__ import annotations

from nas.foreign.formats import FORMATS, import_checkpoint
from nas.foreign.supernet_file import load_supernet_file, save_supernet_file

__all__ = ["FORMATS", "import_checkpoint", "load_supernet_file", "save_supernet_file"]
