"""What a scrub may spend, and how a person says it: parsed with the command line, so it imports next to nothing."""

import argparse
import math
import re
from dataclasses import dataclass

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "s": 1, "m": 60, "h": 3600}
_BUDGET = re.compile(rf"([0-9]+(?:\.[0-9]+)?) ?({'|'.join(_UNITS)})")


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend: bytes read, or seconds."""

    bytes: float = math.inf
    seconds: float = math.inf


def budget(text: str) -> Budget:
    """Parse `20GB` or `90m`, for argparse."""
    if not (match := _BUDGET.fullmatch(text.strip())):
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of bytes or time, such as 20GB or 90m")
    amount = float(match[1]) * _UNITS[match[2]]
    return Budget(seconds=amount) if match[2] in "smh" else Budget(bytes=amount)
