"""What the parser knows: help at once, an example for each command, every option of old."""

import re
import subprocess
import sys
import time

import pytest
from shell import ENVIRONMENT, kegnet

import kegnet_np
from kegnet_np.experiments.protocols import PROTOCOLS
from kegnet_np.interface import cli

# The options that release 0.1 had.
EVERY = "--config --seed --protocol --quick"
ROWS = """
    --dataset --label --split-seed --drop --missing --sep --decimal --thousands --encoding --header
    --no-header
"""
DATA = f"{ROWS} --own-statistics --no-own-statistics"
TEACH = """
    --hidden --depth --dropout --teacher-batch --teacher-epochs --teacher-lr --teacher-min-epochs
    --teacher-patience
"""
EXTRACT = """
    --alpha --beta --generator-batch --generator-epochs --generator-lr --generator-steps
    --generators --latent --teacher-dropout --no-teacher-dropout
"""
COMPRESS = "--ranks --compression --params --agreement --init --sampler --metadata"
DISTILL = """
    --cosine --no-cosine --held-out --noise-epochs --noise-pool --pool-per-generator --sampling
    --selection --shuffle --no-shuffle --student-batch --student-dropout --no-student-dropout
    --student-epochs --student-lr --student-min-epochs --student-patience --students
"""
GRID = f"""
    {EVERY} --split-seed --own-statistics --no-own-statistics {TEACH} {EXTRACT} {DISTILL}
    --datasets --teachers --seeds --jobs --dask --out --resume
"""
OPTIONS = {
    "run": f"{EVERY} {DATA} {TEACH} {EXTRACT} {COMPRESS} {DISTILL} --out --resume",
    "teach": f"{EVERY} {DATA} {TEACH} --out",
    "extract": f"{EVERY} {EXTRACT} --teacher --out",
    "compress": f"--config {COMPRESS} --teacher --generator-file --out",
    "distill": f"{EVERY} {DATA} {DISTILL} --teacher --student --sampler --generator-file "
               "--metadata --out",
    "evaluate": f"--config {DATA} --model --teacher --by-position",
    "predict": "--config --model --input --out --proba --missing --by-position --sep --decimal "
               "--thousands --encoding --header --no-header",
    "table": f"{GRID} --ranks --init --sampler",
    "frontier": f"{GRID} --compressions --samplers",
    "metadata": f"--config {ROWS} --out",
    "convert": "--activation --like --member",
    "info": "",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_that_a_command_had_is_still_there(command):
    code, out, err = kegnet(command, "--help")
    assert (code, err) == (0, "")
    usage = out.split("\n\n")[0]
    assert set(OPTIONS[command].split()) <= set(re.findall(r"--[a-z-]+", usage))


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_the_help_of_every_command_shows_an_example_that_it_understands(command):
    code, out, err = kegnet(command, "--help")
    assert (code, err) == (0, "")
    program, *example = out.split("example: ")[1].split()
    assert program == "kegnet" and example[0] == command
    assert cli.make_parser().parse_args(example).command == command
    written = cli.COMMANDS[command].__doc__.split("example: kegnet ")[1].split()
    assert example == written


def test_the_help_tells_the_papers_default_and_the_protocols_that_change_it():
    out = " ".join(kegnet("run", "--help")[1].split())
    demo, quick = (PROTOCOLS[name]["student_epochs"] for name in ("demo", "quick"))
    told = re.search(r"--student-epochs N epochs of students .*? \(default: 400; ([^)]*)\)", out)
    assert told and f"demo {demo}, quick {quick}" in told[1]
    assert "(default: 5, letter 10)" in out and "latent code z (default: 10)" in out


def test_the_version_is_printed_and_no_command_is_an_error():
    assert kegnet("--version") == (0, f"kegnet {kegnet_np.__version__}\n", "")
    code, out, err = kegnet()
    assert (code, out) == (2, "") and "required: command (see kegnet --help)" in err


def test_help_starts_at_once_because_heavy_imports_wait():
    start = time.monotonic()
    program = "import sys; from kegnet_np.interface.cli import main\n"
    program += "try: main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0 and time.monotonic() - start < 2  # measured: 0.15 s
    loaded = done.stdout.splitlines()[-1]
    assert "'kegnet_np.interface.cli'" in loaded
    for module in ("tensorly", "matplotlib", "pooch", "tqdm", "scipy", "joblib", "pandas",
                   "sklearn", "onnx"):
        assert f"'{module}'" not in loaded, module
