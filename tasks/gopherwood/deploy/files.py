"""Writing a file that is there whole and durable, or as it was before: records and locks."""

import os
from pathlib import Path

from gopherwood.errors import StorageError


def replace(file: Path, data: bytes) -> None:
    """Write a file aside, fsync it, put it in its place and fsync the folder; raises StorageError."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            aside.rename(file)
        finally:
            aside.unlink(missing_ok=True)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from None
