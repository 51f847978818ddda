"""Settings for tests that import Airflow in their own process: import this module first, before any of airflow's.

Airflow reads its environment once, at its first import. Its folder is made anew for each test process and goes with it.
The tests themselves import it when they run: every process collects them all, and would pay seconds for it.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_FOLDER = tempfile.TemporaryDirectory(prefix="gopherwood-airflow-")

os.environ.update(
    AIRFLOW_HOME=_FOLDER.name,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)


def errors() -> Any:
    """Return the module of Airflow's exceptions."""
    from airflow.sdk import exceptions

    return exceptions
