"""Adds up the lines of one hour with pandas, a bounded piece at a time.

Two tables come out, both of sums, so that hours, days and files of several pods add up in any order. `requests` has a
row for each combination of `KEYS`. `latency` has a histogram of answer times for each kind and outcome: percentiles
cannot be added, histograms can. Its buckets grow by 2^(1/8), so a percentile read from it is at most 9 % too high.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from gopherwood.accesslog import Line

KEYS = ["kind", "module", "version", "method", "status", "outcome", "agent", "policy", "miss"]
SUMS = ["requests", "bytes", "micros"]
LATENCY_KEYS = ["kind", "outcome", "le_micros"]
CHUNK = 50_000
"""Lines in memory at once."""
MOST_MISSES = 200_000
"""Rows about what is not held that an hour keeps, those asked for most; clients make up names without end. The rest
are added up in rows without a module."""
BUCKETS_AN_OCTAVE = 8


class Hour:
    """The sums of one hour."""

    def __init__(self) -> None:
        self.lines = 0
        self.requests = pd.DataFrame(columns=[*KEYS, *SUMS])
        self.latency = pd.DataFrame(columns=[*LATENCY_KEYS, "requests"])

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines; memory is that of a chunk of them, and of the sums."""
        for chunk in _chunks(lines):
            self.lines += len(chunk)
            frame = pd.DataFrame(chunk, columns=list(Line._fields)).assign(requests=1)
            frame["le_micros"] = upper_bounds(frame["micros"].to_numpy())
            self.requests = _bound(_summed([self.requests, frame[[*KEYS, *SUMS]]], KEYS))
            self.latency = _summed([self.latency, frame[[*LATENCY_KEYS, "requests"]]], LATENCY_KEYS)


def upper_bounds(micros: np.ndarray) -> np.ndarray:
    """Return the upper bound, in whole microseconds, of the bucket that each time falls into."""
    step = np.ceil(np.log2(np.maximum(micros, 1)) * BUCKETS_AN_OCTAVE)
    bounds: np.ndarray = np.ceil(np.exp2(step / BUCKETS_AN_OCTAVE)).astype("int64")
    return bounds


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    chunk = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _summed(frames: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Return the sums of all frames by these keys, sorted by them: the same whatever the order of what went in."""
    both = pd.concat([frame for frame in frames if len(frame)])
    return both.groupby(keys, sort=True, as_index=False, observed=True).sum()


def _bound(requests: pd.DataFrame) -> pd.DataFrame:
    missed = requests.index[requests["miss"].astype(bool)]
    if len(missed) <= MOST_MISSES:
        return requests
    most = requests.loc[missed].sort_values(["requests", *KEYS], ascending=[False] + [True] * len(KEYS))
    requests.loc[most.index[MOST_MISSES:], ["module", "version"]] = ""
    return _summed([requests], KEYS)
