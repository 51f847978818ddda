"""A generic webhook: one JSON object a notice, signed so that its receiver knows whose it is, and that it is fresh.

The form is that of Standard Webhooks, for which most languages have a library: `webhook-id` identifies the notice
however often it is sent, `webhook-timestamp` is in seconds, and `webhook-signature` is `v1,` and the base64 of
HMAC-SHA256 over `ID.TIMESTAMP.BODY`, the raw bytes. A secret that begins with `whsec_` is base64.
Authority: https://github.com/standard-webhooks/standard-webhooks (spec/standard-webhooks.md).
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Sequence

from gopherwood.catalog import Message
from gopherwood.http import Client
from gopherwood.notices.parse import Table
from gopherwood.notices.sinks import Tools
from gopherwood.notices.sinks.replies import post
from gopherwood.notices.values import Notice, Remembered

PREFIX = "whsec_"


class Webhook:
    """Posts notices to a URL, one at a time."""

    most = 1
    folds = False
    every = 0.0

    def __init__(self, client: Client, url: str, secret: bytes) -> None:
        self._client = client
        self._url = url
        self._secret = secret

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Post the notice."""
        for notice in notices:
            body = json.dumps(fields(notice), ensure_ascii=False, sort_keys=True).encode()
            sent = str(int(time.time()))
            headers = {
                "Content-Type": "application/json",
                "webhook-id": notice.key,
                "webhook-timestamp": sent,
                "webhook-signature": signature(self._secret, notice.key, sent, body),
            }
            post(self._client, self._url, body, headers)
        return []


def fields(notice: Notice) -> dict[str, object]:
    """Return what a program is told."""
    return {
        "id": notice.key,
        "type": notice.kind,
        "timestamp": notice.at.isoformat(),
        "severity": notice.severity.word,
        "subject": notice.subject,
        "text": notice.line,
        "todo": notice.todo,
        "link": notice.link,
        "data": notice.payload,
    }


def signature(secret: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a delivery; the receiver computes it anew and compares in constant time."""
    digest = hmac.digest(secret, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def make(table: Table, tools: Tools) -> Webhook:
    """Make the sink of a table of the file. Raises ConfigError."""
    url, secret = table.url("url", table.secret("url")), table.secret("secret")
    try:
        is_base64 = secret.startswith(PREFIX)
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if is_base64 else secret.encode()
    except binascii.Error:
        raise table.error("secret", f"begins with {PREFIX} and is no base64") from None
    if len(key) < 16:
        raise table.error("secret", "has fewer than 16 bytes", "make one with: openssl rand -base64 32")
    return Webhook(tools.client, url, key)
