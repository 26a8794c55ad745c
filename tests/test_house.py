"""The house: the core stands alone, and files and functions stay short enough to read."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kegnet_np

PACKAGE = Path(kegnet_np.__file__).parent
LOADERS = PACKAGE.parent / "data_loaders.py"
FILES = {p.relative_to(PACKAGE.parent).as_posix(): p for p in [*PACKAGE.rglob("*.py"), LOADERS]}
CORE = [
    "backend", "params", "autodiff", "activations", "ops", "losses", "chain", "models", "network",
    "optim", "sampling", "metrics", "train", "teacher", "generator", "tucker", "student",
]
FOREIGN = {
    "tqdm", "matplotlib", "tensorly", "pooch", "sklearn", "torch", "joblib", "threadpoolctl",
    "data_loaders", "pandas", "onnx", "skops",
}


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def loaded_by(module):
    """The modules that an import leaves behind, in a process of its own."""
    code = f"import sys, {module}; print(*sorted(sys.modules))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent, capture_output=True, text=True, check=True,
    ).stdout.split()


@pytest.mark.parametrize("verb", ["student", "generator", "teacher", "tucker"])
def test_a_verb_loads_the_core_alone(verb):
    loaded = loaded_by(f"kegnet_np.{verb}")
    ours = {name for name in loaded if name.startswith("kegnet_np.")}
    assert ours <= {f"kegnet_np.{name}" for name in CORE}, ours
    assert not FOREIGN & {name.partition(".")[0] for name in loaded}


@pytest.mark.parametrize("name", ["beyond.ranks", "beyond.recipe", "beyond.metadata",
                                  "kdgan.game", "probes.samples", "probes.distil", "io.convert"])
def test_a_folder_of_the_core_loads_itself_and_the_core_alone(name):
    folder = name.partition(".")[0]
    loaded = loaded_by(f"kegnet_np.{name}")
    ours = {n.split(".")[1] for n in loaded if n.startswith("kegnet_np.")}
    assert ours <= {folder, *CORE} | ({"tables"} if folder == "io" else set())
    assert not {"data_loaders", "pandas", "onnx", "sklearn"} & set(loaded)


def test_the_data_loaders_load_of_the_package_the_tables_alone_and_no_pandas():
    loaded = loaded_by("data_loaders")
    ours = {name.split(".")[1] for name in loaded if name.startswith("kegnet_np.")}
    assert ours == {"tables"} and "pandas" not in loaded


def test_tables_stand_alone():
    loaded = loaded_by("kegnet_np.tables.encoding, kegnet_np.tables.reading")
    assert {name.split(".")[1] for name in loaded if name.startswith("kegnet_np.")} == {"tables"}


def test_the_core_can_be_read_in_one_sitting():
    core = {path.name: lines(path) for path in PACKAGE.glob("*.py")}
    assert {f"{name}.py" for name in CORE} <= set(core)
    assert sum(core.values()) <= 2190, core


@pytest.mark.parametrize("name", FILES)
def test_no_file_is_longer_than_300_lines(name):
    assert lines(FILES[name]) <= 300


@pytest.mark.parametrize("name", FILES)
def test_no_function_is_longer_than_60_lines_its_docstring_included(name):
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"
