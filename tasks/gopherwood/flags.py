"""Numbers on command lines: what argparse turns a flag's text with, and the words it refuses another in."""

import argparse
from collections.abc import Callable
from typing import Any


def _converter(kind: Callable[[str], float], least: float, says: str) -> Callable[[str], Any]:
    """Return what refuses all that is below `least`, or no number, in these words."""

    def convert(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = least - 1
        if not number >= least:  # also not a number, which compares with nothing
            raise argparse.ArgumentTypeError(f"{text!r} is not {says}")
        return number

    return convert


count = _converter(int, 1, "a whole number above zero")
number = _converter(int, 0, "a whole number, zero or above")
seconds = _converter(float, 0, "a number of seconds, zero or above")
