"""The sinks that notices go to: a file each, found by the word that `kind` is in the file of routes."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gopherwood.config import Settings
from gopherwood.http import Client

KINDS = {
    "slack": "slack",
    "slack-webhook": "slack_webhook",
    "webhook": "webhook",
    "mail": "mail",
    "atom": "atom",
}
"""The module of each kind; its `make` makes a sink of a table of the file."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What sinks are made with."""

    settings: Settings
    client: Client


def load(kind: str) -> Any:
    """Return what makes a sink of a kind: from a table (parse.Table) and Tools."""
    return import_module(f"gopherwood.notices.sinks.{KINDS[kind]}").make
