"""The limit of open files: each connection of a generator is one."""

import resource

BESIDE = 64
"""Open files of a generator that are no connections."""


def most_open_files() -> int:
    """Return how many files this process may open, after asking for as many as it can have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 20 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
