"""Gopherwood: a curated, immutable central Go module repository.

This package is the domain and the task commands (`gopherwood VERB`). Airflow decides when a command runs, Kubernetes
decides where; the code here knows how, and is the same on a laptop. docs/architecture.md draws the flow of data.
"""

__version__ = "0.1.0"
