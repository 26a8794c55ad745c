"""The command line: ``kegnet run`` does the whole job, the other commands one stage each."""

import argparse
import sys
import typing
import warnings
from dataclasses import fields
from pathlib import Path

from . import __version__
from .config import CHOICES, Config
from .protocols import PROTOCOLS, make_config

DESCRIPTION = (
    "KegNet for tabular classifiers: take a trained network and none of its data, and get a "
    "small network that does the same job (Yoo et al., NeurIPS 2019)."
)
EXAMPLES = {
    "run": "kegnet run --dataset pendigits --ranks 5 --out runs/pendigits",
    "teach": "kegnet teach --dataset digits --out teacher.npz",
    "extract": "kegnet extract --teacher teacher.npz --out generators.npz",
    "compress": "kegnet compress --teacher teacher.npz --ranks 5 --out tucker.npz",
    "distill": "kegnet distill --teacher teacher.npz --student tucker.npz --sampler kegnet "
    "--generator-file generators.npz --out students.npz",
    "evaluate": "kegnet evaluate --model students.npz --teacher teacher.npz",
    "table": "kegnet table --protocol fair --teachers 3 --jobs 2 --out tables/fair",
    "frontier": "kegnet frontier --teachers 3 --compressions 8,12 --jobs 2 --out frontiers/all",
    "metadata": "kegnet metadata --dataset pendigits --out metadata.json",
    "info": "kegnet info teacher.npz",
}
HELP = {
    "run": "the whole job, from the data to the table",
    "teach": "train a teacher on labelled data",
    "extract": "learn generators and decoders from the teacher alone",
    "compress": "put every dense layer of the teacher in Tucker form",
    "distill": "train students on the teacher's answers to samples",
    "evaluate": "accuracy on a test set, and agreement with the teacher",
    "table": "the paper's table: data sets, approaches, teachers and students as a grid",
    "frontier": "accuracy against parameters, by sampler, with ranks chosen without data",
    "metadata": "a data set's ranges, covariance, class means and variances, for --metadata",
    "info": "print what a checkpoint holds",
}

_SIZE = ("compression", "params", "agreement")
GRID = {  # the settings that a command of many runs does not take
    "table": ("dataset", "label", "metadata", *_SIZE),
    "frontier": ("dataset", "label", "metadata", "ranks", "init", "sampler", *_SIZE),
}  # fmt: skip

REMEDIES = {  # for errors that are not our own
    OSError: "check the path, its permissions and the space on the disk",
    MemoryError: "take smaller batches, pools or numbers of networks",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line on stderr, exit code 2."""
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command; options of `Config` are made from its fields."""
    parser = _Parser("kegnet", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"kegnet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    made = {}
    for name, text in HELP.items():
        made[name] = commands.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".",
            epilog=f"example: {EXAMPLES[name]}", argument_default=argparse.SUPPRESS,
        )  # fmt: skip
    for name in ("extract", "compress", "distill", "evaluate"):
        made[name].add_argument(
            "--teacher", metavar="FILE", required=True, help="the teacher's checkpoint"
        )
    run, distill = made["run"], made["distill"]
    run.add_argument("--out", metavar="DIR", help="run folder (default: runs/NAME)")
    run.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    distill.add_argument("--student", metavar="FILE", required=True, help="from kegnet compress")
    distill.add_argument(
        "--sampler", required=True, dest="approach", metavar="NAME[+NAME...]",
        help="what the student sees: uniform, normal, wide, kegnet, noised, energy, or a mixture; "
        "or real, the ceiling, which takes the inputs of --dataset",
    )  # fmt: skip
    for name in ("compress", "distill"):
        made[name].add_argument(
            "--generator-file", metavar="FILE",
            help="from kegnet extract, for --sampler kegnet and noised",
        )  # fmt: skip
    for name in ("table", "frontier"):
        grid = made[name]
        number: dict[str, typing.Any] = {"type": int, "metavar": "N"}
        grid.add_argument(
            "--datasets", metavar="NAMES", help="A,B,... (default: shuttle,pendigits,letter)"
        )
        grid.add_argument("--teachers", help="teachers a set (default: 1)", **number)
        grid.add_argument("--seeds", dest="students", help="same as --students", **number)
        grid.add_argument("--jobs", help="processes (default: 1)", **number)
        grid.add_argument(
            "--dask", metavar="ADDRESS", help="use this Dask scheduler, such as tcp://10.0.0.1:8786"
        )
        grid.add_argument("--out", metavar="DIR", help=f"its folder (default: {name}s/PROTOCOL)")
        grid.add_argument("--resume", action="store_true", help="go on with what is in the folder")
    made["frontier"].add_argument(
        "--compressions", metavar="C1,C2,...",
        help="how many times smaller; SET:C for one data set (default: 2,4,8,12,16,24,40)",
    )
    made["frontier"].add_argument(
        "--samplers", metavar="NAMES",
        help="the smaller MLP sees the last one's samples (default: normal,kegnet,normal+noised)",
    )
    made["evaluate"].add_argument("--model", metavar="FILE", required=True, help="what to evaluate")
    made["info"].add_argument("file", metavar="FILE")
    for name in ("teach", "extract", "compress", "distill", "metadata"):
        made[name].add_argument("--out", metavar="FILE", required=True, help="file to write")
    for name in HELP:
        _add_settings(made[name], name)
    return parser


def _add_settings(parser, command):
    hints = typing.get_type_hints(Config)
    chosen = [
        f for f in fields(Config)
        if command == "run" or command in f.metadata["stages"]
        or (command == "metadata" and f.name in ("dataset", "label", "split_seed"))
        or (command in GRID and f.name not in GRID[command])
    ]  # fmt: skip
    helps = {f.name: f.metadata["help"] + _default(f) for f in chosen}
    if command == "table":
        helps["ranks"] = "a column for each of R1,R2,..., the same rank in every layer (default: "
        helps["ranks"] += "the paper's: 5, Letter 10, Pendigits both)"
    for f in chosen:
        flag, kind = "--" + f.name.replace("_", "-"), hints[f.name]
        if kind is bool:
            action = argparse.BooleanOptionalAction
            parser.add_argument(flag, action=action, help=f.metadata["help"])
            continue
        parser.add_argument(
            flag, type=_CONVERT.get(kind, str), help=helps[f.name],
            choices=CHOICES.get(f.name), metavar=_METAVAR.get(f.name, _METAVAR.get(kind)),
        )  # fmt: skip
    if any(f.name == "protocol" for f in chosen):
        parser.add_argument(
            "--quick", dest="protocol", action="store_const", const="quick",
            help="the shortest schedule: `kegnet run` ends within a minute",
        )  # fmt: skip
    if chosen:
        parser.add_argument(
            "--config", metavar="FILE", help="settings from a TOML file, such as: seed = 7"
        )


def _default(field):
    """What the help says of a setting's default, unless its text says it already."""
    if "default" in field.metadata["help"]:
        return ""
    changed = {name: p[field.name] for name, p in PROTOCOLS.items() if field.name in p}
    others = ", ".join(f"{name} {value}" for name, value in changed.items())
    return f" (default: {field.default}; {others})" if others else f" (default: {field.default})"


def _ranks(text):
    if text == "auto":
        return ()
    try:
        return tuple(int(r) for r in text.split(","))
    except ValueError as error:
        message = f"{text!r}, expected R, R1,R2,... such as 16,10,5, or auto"
        raise argparse.ArgumentTypeError(message) from error


_CONVERT: dict[typing.Any, typing.Any] = {
    int: int, float: float, tuple[int, ...]: _ranks, int | None: int, float | None: float,
}  # fmt: skip
_METAVAR: dict[typing.Any, str] = {
    int: "N", float: "X", int | None: "N", float | None: "X",
    "dataset": "NAME", "label": "COLUMN", "ranks": "R", "sampler": "NAME[+NAME...]",
    "metadata": "FILE",
}  # fmt: skip


def read_settings(arguments: dict, **settings) -> dict:
    """Settings of the TOML file, overridden by the command line, on top of the given ones."""
    if "config" in arguments:
        import tomllib

        path = Path(arguments["config"])
        try:
            settings |= tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
            raise ValueError(f"--config {path} is not TOML: {error}") from error
        ranks = settings.get("ranks")
        if ranks == "auto":
            settings["ranks"] = ()
        elif ranks == []:
            raise ValueError("ranks is (), expected positive integers such as [16, 10, 5], or auto")
        elif isinstance(ranks, (int, list)):
            settings["ranks"] = (ranks,) if isinstance(ranks, int) else tuple(ranks)
    names = {f.name for f in fields(Config)}
    return settings | {k: v for k, v in arguments.items() if k in names}


def read_config(arguments: dict, **settings) -> Config:
    """The Config of `read_settings`."""
    return make_config(read_settings(arguments, **settings))


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``kegnet``; 0 on success, 2 with one line on stderr on a bad input."""
    arguments = vars(make_parser().parse_args(argv))
    command = arguments.pop("command")
    from . import commands  # numpy and the rest: not needed for --help

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            getattr(commands, command)(arguments)
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        message = " ".join(str(error).split())
        for kind, remedy in REMEDIES.items():
            message += f"; {remedy}" if isinstance(error, kind) else ""
        print(f"kegnet {command}: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        more = "; go on with --resume" if command in ("run", "table", "frontier") else ""
        print(f"kegnet {command}: interrupted{more}", file=sys.stderr)
        return 130
    return 0


def _show_warning(message, *_):
    print(f"kegnet: warning: {message}", file=sys.stderr)
