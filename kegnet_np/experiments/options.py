"""A setting and a group of them, checked: what `settings` is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Self


def is_a(value, *kinds: type) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)  # True is an int to Python


CHECKS: dict[type, tuple] = {  # by a default's type: whether a value is sound, else what to say
    bool: (lambda v: isinstance(v, bool), "expected true or false"),
    str: (lambda v: isinstance(v, str), "expected text"),
    int: (lambda v: is_a(v, int) and v > 0, "expected an integer more than 0"),
    float: (lambda v: is_a(v, int, float) and 0 < v < inf, "expected a number more than 0"),
    tuple: (lambda v: isinstance(v, tuple) and all(is_a(r, int) and r > 0 for r in v),
            "expected positive integers such as (16, 10, 5)"),
    type(None): (lambda v: True, "")}
WHOLE = (lambda v: is_a(v, int) and v >= 0, "expected an integer of at least 0")
FROM_0 = (lambda v: is_a(v, int, float) and 0 <= v < inf, "expected a number of at least 0")


def option(default, text: str, *choices: str, check=None):
    """A setting: its default, what the help says of it, what it may be; or a check as in `CHECKS`,
    which a value that may be left out need not pass when it is."""
    check = check or CHECKS[type(default)]
    if choices:
        check = choices.__contains__, f"expected one of {', '.join(choices)}"
    return field(default=default, metadata={"help": text, "choices": choices, "check": check})


@dataclass(frozen=True)
class Group:
    """A frozen dataclass of settings that checks each of them."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """The group, of those of the settings given that are its own; and the others."""
        own = {f.name: given[f.name] for f in fields(cls) if f.name in given}
        return cls(**own), {key: value for key, value in given.items() if key not in own}

    def __post_init__(self):
        for f in fields(self):
            value, (sound, remedy) = getattr(self, f.name), f.metadata["check"]
            if not (value is f.default is None or sound(value)):
                raise ValueError(f"{f.name} is {value!r}, {remedy}")
