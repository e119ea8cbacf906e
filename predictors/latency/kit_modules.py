"""Which modules the runner on a device consists of, by following imports in the source."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["module_closure"]


def module_closure(entries: Sequence[str]) -> dict[str, Path]:
    """Return modules and all that they import of their own packages, by dotted name.

    Imports in functions and under ``TYPE_CHECKING`` do not count: they are for the host.
    Packages that are not imported from by name stay out, too; their folders need no
    ``__init__.py`` then.

    Args:
        entries: Dotted names; imports from the top packages of these are followed.
    """
    roots = {name.partition(".")[0] for name in entries} | {"search_spaces"}
    found: dict[str, Path] = {}
    todo = list(entries)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        spec = importlib.util.find_spec(name)
        assert spec is not None
        found[name] = Path(str(spec.origin))
        tree = ast.parse(found[name].read_text(encoding="utf-8"))
        todo += [other for other in _imported(tree) if other.partition(".")[0] in roots]
    return dict(sorted(found.items()))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the modules that importing a module imports."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
