"""The documents: generated blocks are those that the numbers give, what is named is there, and
commands and examples are understood."""

import importlib.util
import re
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pytest

import kegnet_np
from kegnet_np.interface.cli import make_parser
from kegnet_np.train import Schedule

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]
LINES = 160  # of the README
FOLDERS = [ROOT, ROOT / "kegnet_np"]  # what a path in a text may start from
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|md|json|png|npz|ipynb)|[\w-]+\.(?:py|md)")
PLACEHOLDERS = {"results/NAME.json"}

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=[path.name for path in DOCUMENTS])


def load_builder():
    spec = importlib.util.spec_from_file_location("build_results", ROOT / "docs/build_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


builder = load_builder()


def read(path):
    return path.read_text(encoding="utf-8")


def blocks(text):
    """The indented blocks of a text."""
    found = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text)
    return [textwrap.dedent(block).strip() for block in found]


def code(text):
    """All that stands as code: blocks, and spans, which may go over a line's end."""
    outside = re.sub(r"(?m)^    .*$", "", text)
    return blocks(text) + [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside)]


def commands(text):
    """The command lines of `kegnet` in a text, each as words."""
    for piece in code(text):
        for line in piece.replace("\\\n", " ").splitlines():
            line = line.strip().partition(" # ")[0]
            if re.match(r"kegnet [a-z]", line):
                yield shlex.split(line)[1:]


# --- generated ------------------------------------------------------------------------------------


def test_the_generated_blocks_are_those_that_the_numbers_give():
    for path, text in builder.pages().items():
        assert read(path) == text, f"{path.name}: run python docs/build_results.py"


@pytest.mark.parametrize("path", builder.RESULTS, ids=[path.stem for path in builder.RESULTS])
def test_every_result_has_its_block_and_its_figure_is_shown(path):
    text = read(builder.DOCUMENT)
    block = text.partition(f"<!-- results/{path.stem} -->")[2]
    assert block.partition(f"<!-- end results/{path.stem} -->")[0].count("| ---") >= 1
    figure = path.with_suffix(".png")
    assert figure.exists() == hasattr(builder.read(path)[1], "figure")
    assert not figure.exists() or f"](../results/{figure.name})" in text


def test_results_hold_numbers_and_figures_only():
    assert {path.suffix for path in (ROOT / "results").iterdir()} == {".json", ".png"}


def test_a_block_without_its_comments_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="no one pair of comments <!-- a --> and <!-- end a -->"):
        builder.with_block("<!-- a --> text", "a", "new")
    assert builder.with_block("1<!-- a -->2<!-- end a -->3", "a", "new") == (
        "1<!-- a -->\n\nnew\n\n<!-- end a -->3"
    )


# --- what is named --------------------------------------------------------------------------------


def test_the_readme_is_short():
    assert len(read(README).splitlines()) <= LINES


def anchors(path):
    """The anchors of a document's headings, as GitHub makes them."""
    heads = re.findall(r"(?m)^#+ (.+)$", read(path))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@every_document
def test_every_link_leads_somewhere(path):
    for link in LINK.findall(read(path)):
        if link.startswith(("http", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_document
def test_every_file_that_is_named_exists(path):
    every = {found.name for folder in ("kegnet_np", "docs", "tutorials", "tests", "benchmarks")
             for found in (ROOT / folder).rglob("*")} | {p.name for p in ROOT.iterdir()}
    for name in NAMED.findall(" ".join(code(read(path)))):
        first = name.partition("/")[0]
        if "/" not in name:
            assert name in every, name
        elif any((folder / first).is_dir() for folder in FOLDERS) and name not in PLACEHOLDERS:
            assert any((folder / name).exists() for folder in FOLDERS), name


def test_the_readme_names_every_file_of_the_core_and_every_folder():
    text = read(README)
    for path in (ROOT / "kegnet_np").iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.name}/`" in text
        elif path.suffix == ".py" and not path.name.startswith("__"):
            assert f"`{path.name}`" in text
    for path in (ROOT / "tutorials").glob("*.ipynb"):
        assert f"`{path.stem}`" in text


def test_the_core_imports_only_what_the_readme_has_above_it():
    table = read(README).partition("| file |")[2].partition("\n\n")[0]
    order = [name for line in table.splitlines() for name in re.findall(r"`(\w+)\.py`", line)]
    for i, name in enumerate(order):
        source = read(ROOT / "kegnet_np" / f"{name}.py")
        modules = re.findall(r"(?m)^from \.(\w+) import", source)
        for names in re.findall(r"(?m)^from \. import (.+)$", source):
            modules += names.split(", ")
        assert set(modules) <= set(order[:i]), name


# --- what is shown --------------------------------------------------------------------------------


@every_document
def test_every_command_shown_is_understood(path, capsys):
    for words in commands(read(path)):
        if len(words) == 1:  # only named
            with pytest.raises(SystemExit) as ended:
                make_parser().parse_args([*words, "--help"])
            assert ended.value.code == 0, words
            continue
        try:
            make_parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"kegnet {shlex.join(words)}: {capsys.readouterr().err}")


def test_the_commands_are_all_shown_with_an_example():
    shown = {words[0] for words in commands(read(ROOT / "docs/commands.md")) if len(words) > 1}
    options = make_parser()._subparsers._group_actions[0].choices
    assert shown == set(options)


def example(path, holding="kegnet_np"):
    """The Python example of a document that holds these words."""
    (found,) = (block for block in blocks(read(path)) if "import" in block and holding in block)
    return found


def test_the_readmes_five_lines_make_an_onnx_file_of_a_teacher(tmp_path, monkeypatch):
    datasets, runtime = pytest.importorskip("sklearn.datasets"), pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    lines = example(README, "MLPClassifier")
    assert len(lines.strip().splitlines()) == 5
    names = {}
    exec(lines, names)
    x, _ = datasets.load_wine(return_X_y=True)
    (p,) = runtime.InferenceSession("student.onnx").run(None, {"x": x.astype(np.float32)})
    assert (p.argmax(1) == names["teacher"].predict(x)).mean() > 0.95
    assert (tmp_path / "student.onnx").stat().st_size < 4000


def test_the_readmes_python_example_runs(monkeypatch):
    short = Schedule(1e-3, 64, 1)

    def shortened(verb, **own):  # whatever the example says of schedules and pools
        return lambda *arguments, **options: verb(*arguments, **options | own)

    for module, verb, given in (("teacher", "teach", {}), ("generator", "extract", {"steps": 1}),
                                ("student", "distill", {"pool": 64, "held_out": 10})):
        module = importlib.import_module(f"kegnet_np.{module}")
        made = shortened(getattr(module, verb), schedule=short, **given)
        monkeypatch.setattr(module, verb, made)
    names = {}
    exec(example(README, "teacher.teach"), names)
    assert names["logits"].shape == (len(names["data"].x_test), 10)
    assert len(names["S"].theta) == 5


def test_a_teacher_from_weights_is_written_as_the_example_says(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    sizes = [(16, 64), (64, 32), (32, 10)]
    weights = [rng.standard_normal(size).astype(np.float32) for size in sizes]
    biases = [rng.standard_normal(size[1]).astype(np.float32) for size in sizes]
    exec(example(ROOT / "docs/commands.md", "from_layers"), {"weights": weights, "biases": biases})
    teacher, _ = kegnet_np.io.checkpoint.load_teacher("mine.npz")
    x = rng.standard_normal((5, 16)).astype(np.float32)
    hidden = x
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        hidden = np.maximum(hidden @ W + b, 0)
    expected = hidden @ weights[-1] + biases[-1]
    np.testing.assert_allclose(teacher.predict(x), expected, rtol=1e-4, atol=1e-3)
