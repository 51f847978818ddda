"""Every asset of the platform. An asset is a promise between two DAGs; nothing is stored under its URI by Airflow."""

from airflow.sdk import Asset

QUEUE = Asset(name="queue", uri="gopherwood://catalog/queue", group="gopherwood")
"""Module versions are wanted that the store does not hold.

Emitted by: discover.
Consumed by: ingest.
"""

STORE = Asset(name="store", uri="gopherwood://store/published", group="gopherwood")
"""Module versions were published.

Emitted by: ingest.
Consumed by: quality.
"""
