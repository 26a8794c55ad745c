"""The command line: its parser is made from the signatures of the commands."""

import argparse
import codecs
import inspect
import os
import sys
import tomllib
import typing
import warnings
from dataclasses import fields
from pathlib import Path

from .. import __version__
from ..experiments.protocols import PROTOCOLS
from . import commands, exchange, grids, probing

COMMANDS = {function.__name__: function for function in (
    commands.run, commands.teach, commands.extract, commands.compress, commands.distill,
    commands.evaluate, exchange.predict, grids.table, grids.frontier, grids.kdgan, probing.probe,
    grids.study, commands.metadata, exchange.convert, commands.info)}
# What a --student has already.
FORM = ("form", "layers", "ranks", "compression", "params", "agreement", "init", "lean")
REMEDIES = {  # for errors that are not our own
    OSError: "check the path, its permissions and the space on the disk",
    MemoryError: "take smaller batches, pools or numbers of networks"}


class _Parser(argparse.ArgumentParser):
    def error(self, message):  # one line on stderr, exit code 2
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser("kegnet", description=(
        "KegNet for tabular classifiers: take a trained network and none of its data, and get a "
        "small network that does the same job (Yoo et al., NeurIPS 2019)."))
    parser.add_argument("--version", action="version", version=f"kegnet {__version__}")
    made = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name, function in COMMANDS.items():
        text, *lines = (inspect.getdoc(function) or "").splitlines()
        told = {key.strip(): told for key, _, told in (line.partition(": ") for line in lines)}
        helps = commands.TEXTS | told
        command = made.add_parser(
            name, help=text, description=text[0].upper() + text[1:] + ".",
            epilog=f"example: {told['example']}", argument_default=argparse.SUPPRESS)
        for name, parameter in inspect.signature(function).parameters.items():
            hint = parameter.annotation
            if typing.get_origin(hint) is typing.Annotated:
                _add_settings(command, hint.__metadata__)
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                _add(command, name, hint, helps[name], metavar=name.upper())
            else:
                more = ({"action": "store_true"} if hint is bool
                        else {"required": parameter.default is parameter.empty})
                _add(command, f"--{name}", hint, helps[name], **more)
    return parser


def _add(parser, flag: str, hint, text: str, **more) -> None:
    """An option of a type, or without dashes an argument; more : for ``add_argument``."""
    if hint not in (bool, bool | None):
        kind, metavar = _KINDS.get(hint, (str, None))
        metavar = "DIR" if "folder" in text else _METAVAR.get(flag.strip("-"), metavar)
        more = {"type": kind, "metavar": metavar} | more
    parser.add_argument(flag.replace("_", "-"), help=text, **more)


def _add_settings(parser, groups) -> None:
    """An option for each setting of the groups, but for those that the groups hold by name."""
    for f in [f for group in groups if not isinstance(group, str) for f in fields(group)]:
        text, more = f.metadata["help"], {"choices": f.metadata["choices"] or None}
        if f.type in (bool, bool | None):
            more = {"action": argparse.BooleanOptionalAction}
        elif "default" not in text:
            others = [f"{name} {p[f.name]}" for name, p in PROTOCOLS.items() if f.name in p]
            text += f" (default: {f.default}{'; ' if others else ''}{', '.join(others)})"
        if f.name not in groups:
            _add(parser, f"--{f.name}", f.type, text, **more)
    if commands.s.Every in groups:
        parser.add_argument("--quick", dest="protocol", action="store_const", const="quick",
                            help="the shortest schedule: `kegnet run` ends within a minute")
    parser.add_argument("--config", metavar="FILE",
                        help="settings from a TOML file, such as: seed = 7")


def _ranks(text):
    try:
        return () if text == "auto" else tuple(int(r) for r in text.split(","))
    except ValueError as error:
        message = f"{text!r}, expected R, R1,R2,... such as 16,10,5, or auto"
        raise argparse.ArgumentTypeError(message) from error


_KINDS: dict[typing.Any, tuple] = {  # of a type: its converter, and what stands for a value
    int: (int, "N"), float: (float, "X"), Path: (Path, "FILE"), tuple[int, ...]: (_ranks, "R")}
_KINDS |= {kind | None: entry for kind, entry in _KINDS.items()}
_METAVAR = {  # of single options
    "dataset": "NAME", "label": "COLUMN", "drop": "COLUMN,...", "categories": "COLUMN,...",
    "sep": "SIGN", "decimal": "SIGN", "thousands": "SIGN", "encoding": "NAME",
    "sampler": "NAME[+NAME...]", "metadata": "FILE",
    "datasets": "NAMES", "samplers": "NAMES", "also": "NAMES", "forms": "NAMES",
    "compressions": "C1,C2,...", "dask": "ADDRESS"}


def read_settings(file: Path) -> dict:
    """The settings of a TOML file."""
    try:
        settings = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise ValueError(f"--config {file} is not TOML: {error}") from error
    if (ranks := settings.get("ranks")) == []:
        raise ValueError("ranks is (), expected positive integers such as [16, 10, 5], or auto")
    if ranks == "auto":
        settings["ranks"] = ()
    elif isinstance(ranks, (int, list)):
        settings["ranks"] = (ranks,) if isinstance(ranks, int) else tuple(ranks)
    return settings


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``kegnet``; 0 on success, 2 with one line on stderr on a bad input."""
    codecs.register_error("kegnet", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal of another encoding than UTF-8
            stream.reconfigure(errors="kegnet")
    arguments = vars(make_parser().parse_args(argv))
    command = arguments.pop("command")
    own = inspect.signature(COMMANDS[command]).parameters  # all other options are settings
    plain = [arguments.pop(p.name) for p in own.values() if p.kind is p.POSITIONAL_ONLY]
    named = {name: arguments.pop(name) for name in list(arguments) if name in own}
    try:
        if "student" in named and (twice := [name for name in FORM if name in arguments]):
            raise ValueError(f"--{twice[0]} is given with --student, which has its form; drop one")
        for name in {"jobs", "teachers", "seeds"} & named.keys():
            if named[name] < 1:
                raise ValueError(f"--{name} is {named[name]}, expected at least 1")
        if "given" in own:
            file = arguments.pop("config", None)
            named["given"] = (read_settings(file) if file else {}) | arguments
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(
                f"kegnet: warning: {message}", file=sys.stderr)
            COMMANDS[command](*plain, **named)
        print(end="", flush=True)  # where there is a stdout
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit
        return 128 + 13  # as if by SIGPIPE
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        message = " ".join(str(error).split())
        for kind, remedy in REMEDIES.items():
            message += f"; {remedy}" if isinstance(error, kind) else ""
        print(f"kegnet {command}: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        more = "; go on with --resume" if "resume" in own else ""
        print(f"kegnet {command}: interrupted{more}", file=sys.stderr)
        return 130
    return 0


def _in_ascii(error):
    """What stands for characters that a terminal does not have."""
    signs = {"±": "+/-", "−": "-", "…": "...", "×": "x"}
    text = error.object[error.start : error.end]
    return "".join(signs.get(sign, "?") for sign in text), error.end
