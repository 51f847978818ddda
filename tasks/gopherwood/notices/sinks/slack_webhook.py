"""Slack by an incoming webhook, the simple way: one message a notice, in the one channel that the URL is for.

The URL is the secret. Nothing can be edited. Authority: docs.slack.dev, "Sending messages using incoming webhooks".
"""

import json
from collections.abc import Sequence

from gopherwood.catalog import Message
from gopherwood.http import Client
from gopherwood.notices.parse import Table
from gopherwood.notices.sinks import Tools
from gopherwood.notices.sinks.replies import post
from gopherwood.notices.sinks.slack_text import message
from gopherwood.notices.values import Notice, Remembered


class SlackWebhook:
    """Posts messages to a secret URL."""

    most = 1
    folds = True
    every = 0.0

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Post one message."""
        body = json.dumps({"text": message(notices)}).encode()
        post(self._client, self._url, body, {"Content-Type": "application/json; charset=utf-8"})
        return []


def make(table: Table, tools: Tools) -> SlackWebhook:
    """Make the sink of a table of the file. Raises ConfigError."""
    return SlackWebhook(tools.client, table.url("url", table.secret("url")))
