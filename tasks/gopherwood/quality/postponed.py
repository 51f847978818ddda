"""Libraries that another library imports and that we never use: they are loaded when somebody does use them.

Great Expectations imports all its expectations with itself, among them some that need scipy's statistics and draw with
altair: four of eleven seconds of processor time and 80 MiB of memory, at every start, for what no rule of ours asks.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class _Postponed(ModuleType):
    """Stands for a module, and makes way for it at the first question."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of each module that it hands out
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def postpone(*names: str) -> None:
    """Let modules be imported at their first use, if they have not been imported yet."""
    for name in names:
        sys.modules.setdefault(name, _Postponed(name))
