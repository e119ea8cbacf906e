"""House rules that the source shows: layers, torch-free description, late imports, no print."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx
import pytest

from predictors.latency import get_runtime, list_runtimes
from predictors.latency.kit_modules import module_closure

ROOT = Path(__file__).resolve().parents[1]
# What each package may import of ours; one way only.
MAY_IMPORT = {
    "search_spaces": {"search_spaces"},
    "predictors": {"search_spaces", "predictors"},
    "nas": {"search_spaces", "predictors", "nas"},
}
# The half of search_spaces that builds networks, and the suite whose tests import torch inside.
TORCH_HALF = (
    "search_spaces/modules/",
    "search_spaces/supernet.py",
    "search_spaces/traced/",
    "search_spaces/testing.py",
)
# Packages of the extras. Each is imported by one module of a package of ours, in functions.
OPTIONAL = {
    "ai_edge_litert",
    "executorch",
    "fvcore",
    "litert_torch",
    "ncnn",
    "nni",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "openvino",
    "optuna",
    "pytest",
    "ray",
    "scipy",
    "sklearn",
    "tensorboard",
    "yaml",
}
# Command lines: ours, and the one that runs on a device.
MAY_PRINT = ("nas/cli/", "nas/__main__.py", "predictors/latency/runner/main.py")
# Conformance suites run under pytest and skip through it.
SEVERAL_IMPORTERS = {"pytest"}


# `SearchSpace.restrict` and `from_module` make spaces of subclasses and builders.
MAY_BE_A_CIRCLE = {
    "search_spaces/builder.py",
    "search_spaces/restriction.py",
    "search_spaces/space.py",
    "search_spaces/traced/space.py",
}


@dataclass(frozen=True)
class Import:
    """One import: who imports what, and whether the module's own import triggers it."""

    path: str
    module: str
    at_import: bool


def sources() -> list[Path]:
    return sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> Iterator[Import]:
    """Yield imports, and literal arguments of `import_optional` whose result is used."""

    def visit(node: ast.AST, *, at_import: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("import_optional("):
            return  # asks whether the package is there
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)} has a relative import"
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in (
            "import_optional",
            "import_module",
        ):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = [first.value]
        for name in names:
            yield Import(relative(path), name, at_import)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_import=at_import)

    yield from visit(tree_of(path), at_import=True)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for path in sources() for found in imports_of(path))


def root_of(module: str) -> str:
    return module.split(".")[0]


def test_there_is_something_to_check() -> None:
    assert len(sources()) > 30
    assert {root_of(found.module) for found in all_imports()} >= {"numpy", "torch", "networkx"}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_go_one_way(package: str) -> None:
    wrong = [
        found
        for found in all_imports()
        if root_of(found.path.replace("/", ".")) == package
        and root_of(found.module) in set(MAY_IMPORT) - MAY_IMPORT[package]
    ]
    assert not wrong


def test_files_depend_downwards_only() -> None:
    """No circle, not even by imports in functions or for types alone; doors apart."""
    files = {
        relative(path).removesuffix(".py").replace("/", "."): relative(path)
        for path in sources()
        if path.name != "__init__.py"
    }
    graph = networkx.DiGraph(
        (path, files[node.module])
        for module, path in files.items()
        for node in ast.walk(tree_of(ROOT / path))
        if isinstance(node, ast.ImportFrom) and node.module in files and node.module != module
    )
    assert graph.number_of_edges() > 1000
    circles = [c for c in networkx.strongly_connected_components(graph) if len(c) > 1]
    assert circles == [MAY_BE_A_CIRCLE]


def test_the_description_half_imports_no_torch() -> None:
    wrong = [
        found
        for found in all_imports()
        if found.path.startswith("search_spaces/")
        and not found.path.startswith(TORCH_HALF)
        and root_of(found.module) in ("torch", "safetensors")
    ]
    assert not wrong


def test_the_description_half_imports_the_torch_half_in_functions_only() -> None:
    torch_half = ("search_spaces.modules", "search_spaces.supernet", "search_spaces.traced")
    wrong = [
        found
        for found in all_imports()
        if found.at_import
        and not found.path.startswith(TORCH_HALF[:3])
        and found.path.startswith("search_spaces/")
        and found.module.startswith(torch_half)
    ]
    assert not wrong


@pytest.mark.parametrize("name", list_runtimes())
def test_what_goes_to_a_device_needs_numpy_only(name: str) -> None:
    """The runner and the runtimes import no more than the standard library and numpy."""
    runtime = type(get_runtime(name)).__module__
    packed = module_closure(["predictors.latency.runner.main", runtime])
    assert "predictors.latency.runner.timing" in packed
    wrong = [
        found
        for path in packed.values()
        for found in imports_of(path)
        if found.at_import
        and root_of(found.module) not in {*sys.stdlib_module_names, "numpy"}
        and found.module not in packed
    ]
    assert not wrong
    ours = [module for module in packed if not module.startswith("predictors.latency.run")]
    assert len(ours) < 8, f"more than errors, files and progress: {ours}"


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_an_optional_package_has_one_importer_that_imports_it_late(package: str) -> None:
    found = [item for item in all_imports() if root_of(item.module) == package]
    assert not [item for item in found if item.at_import]
    if package not in SEVERAL_IMPORTERS:
        importers = {item.path for item in found}
        assert len({root_of(path.replace("/", ".")) for path in importers}) == len(importers)


def test_nothing_below_the_command_line_prints_asks_or_exits() -> None:
    forbidden = {"print", "input", "exit", "quit", "sys.exit", "os._exit", "breakpoint"}
    wrong = [
        f"{relative(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in sources()
        if not relative(path).startswith(MAY_PRINT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden
    ]
    assert not wrong


def test_nothing_that_is_read_can_run() -> None:
    """No eval, exec, pickle or shell; torch.load only with weights_only=True."""
    wrong = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            name, keywords = ast.unparse(node.func), [ast.unparse(k) for k in node.keywords]
            unsafe_load = name == "torch.load" and "weights_only=True" not in keywords
            unsafe_numpy = "allow_pickle=True" in keywords
            if name in ("eval", "exec", "os.system") or unsafe_load or unsafe_numpy:
                wrong.append(f"{relative(path)}:{node.lineno} {name}")
            if "shell=True" in keywords:
                wrong.append(f"{relative(path)}:{node.lineno} shell=True")
    wrong += [str(item) for item in all_imports() if root_of(item.module) in ("pickle", "dill")]
    assert not wrong


def test_randomness_has_no_global_state() -> None:
    """No global generators; torch's may be seeded where it is put back afterwards."""
    global_calls = {"np.random.seed", "np.random.rand", "np.random.randint", "np.random.choice"}
    wrong = [str(item) for item in all_imports() if item.module == "random"]
    for path in sources():
        for function in ast.walk(tree_of(path)):
            if not isinstance(function, ast.FunctionDef):
                continue
            calls = {ast.unparse(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
            seeds_torch = "torch.manual_seed" in calls and "torch.random.fork_rng" not in calls
            if calls & global_calls or seeds_torch:
                wrong.append(f"{relative(path)}:{function.lineno} {function.name}")
    assert not wrong
