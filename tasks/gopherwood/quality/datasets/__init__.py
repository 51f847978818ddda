"""The data sets: a file each, found by itself. A new one is a new file with a `DATA_SET` (quality/rules.py)."""

import importlib
import pkgutil

from gopherwood.quality.rules import DataSet


def all_of_them() -> dict[str, DataSet]:
    """Return the data sets by name, in the order of their names."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    sets = [importlib.import_module(f"{__name__}.{name}").DATA_SET for name in names]
    return {each.name: each for each in sets}
