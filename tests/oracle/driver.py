"""Two judges for each generated input: golang.org/x/mod itself, in a tiny Go program, and ours.

The program (main.go) is built once a session with the user's own Go and answers batches of questions. Hypothesis draws
the bytes ("ink") from which the inputs of a batch are spelled: one draw a batch, since a draw for every character would
cost a hundred times what the two judges do.
"""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gopherwood import gotext
from gopherwood.errors import GopherwoodError
from gopherwood.toolchain import find_go

T = TypeVar("T")
MOST_INK = 8000
"""Bytes that Hypothesis draws for one batch; it takes no example of more than 8 KiB."""
ROUNDS = int(os.environ.get("ORACLE_ROUNDS", "1"))
"""How many times the usual number of inputs is tried; the usual ones are the same in every run, more are random."""

Answer = list[str]


class Oracle:
    """The Go program, built into a folder."""

    def __init__(self, folder: Path) -> None:
        self.binary = folder / "oracle"
        env = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
        command = [str(find_go()), "build", "-o", str(self.binary), "."]
        done = subprocess.run(command, cwd=Path(__file__).parent, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def ask(self, what: str, inputs: Sequence[Sequence[str]]) -> list[Answer]:
        """Ask one kind of question about each of the inputs."""
        lines = (json.dumps([base64.b64encode(gotext.to_bytes(t)).decode() for t in (what, *args)]) for args in inputs)
        done = subprocess.run([str(self.binary)], input="\n".join(lines), capture_output=True, text=True, check=True)
        return [[gotext.from_bytes(base64.b64decode(t)) for t in json.loads(line)] for line in done.stdout.splitlines()]


class Ink:
    """A finite run of random bytes, from which choices are made; when it has run out, every choice is the first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def below(self, n: int) -> int:
        """Choose a number below n, which is at most 256."""
        self.at += 1
        return self.data[self.at - 1] % n if self.at <= len(self.data) else 0

    def pick(self, choices: Sequence[T]) -> T:
        """Choose one of the choices."""
        return choices[self.below(len(choices))]

    def run(self, choices: Sequence[str], most: int, joint: str = "") -> str:
        """Join up to `most` choices."""
        return joint.join(self.pick(choices) for _ in range(self.below(most + 1)))

    def smudge(self, text: str, chars: Sequence[str], odds: int = 3) -> str:
        """Return the text, or, once in `odds` times, with a character dropped, doubled, put in or replaced."""
        if not text or self.below(odds):
            return text
        at, kind = self.below(min(len(text), 256)), self.below(4)
        middle = (text[at] * 2, "", text[at] + self.pick(chars), self.pick(chars))[kind]
        return text[:at] + middle + text[at + 1 :]


def attempt(function: Callable[..., object], *args: object) -> str:
    """Return a function's answer as text, its error as Go's side does, with an exclamation mark."""
    try:
        answer = function(*args)
    except GopherwoodError as error:
        return f"!{error}"
    if isinstance(answer, bool):
        return str(answer).lower()
    return "" if answer is None else str(answer)


def agree(
    oracle: Oracle,
    what: str,
    spell: Callable[[Ink], Sequence[str]],
    ours: Callable[..., Answer],
    *,
    inputs: int,
    ink: int = 24,
    same: Callable[[Sequence[str], Answer, Answer], bool] = lambda _, theirs, mine: theirs == mine,
) -> None:
    """Hold our answers against Go's for at least that many different inputs, each spelled from `ink` bytes."""
    batch = MOST_INK // ink
    seen: set[tuple[str, ...]] = set()
    wrong: list[str] = []  # collected, not raised: shrinking a whole batch would not tell more than the input does

    @settings(
        max_examples=4 + ROUNDS * inputs * 2 // batch,
        derandomize=ROUNDS == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(min_size=batch * ink, max_size=batch * ink))
    def judge(drawn: bytes) -> None:
        if len(seen) >= ROUNDS * inputs or wrong:
            return
        spelled = {tuple(spell(Ink(drawn[at : at + ink]))) for at in range(0, len(drawn), ink)}
        fresh = sorted(spelled - seen)
        seen.update(fresh)
        for question, theirs in zip(fresh, oracle.ask(what, fresh), strict=True):
            mine = ours(*question)
            if not same(question, theirs, mine):
                wrong.append(f"{what} of {question!r}:\n Go   {theirs!r}\n ours {mine!r}")

    judge()
    assert not wrong, "\n".join([f"{len(wrong)} disagreements", *wrong[:5]])
    assert len(seen) >= inputs, f"only {len(seen)} different inputs"
