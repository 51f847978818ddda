"""Slack by its Web API: a story is one message, edited in place (chat.postMessage, then chat.update).

An edit calls nobody, so a notice that is graver than what the message said is a message of its own. A channel that
Slack refuses is no reason to lose a notice: it goes to the sink's own channel, and says where it was meant to go.
Authority: docs.slack.dev/reference/methods/chat.postMessage and chat.update, and its page on rate limits.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gopherwood.catalog import Message
from gopherwood.http import Client
from gopherwood.notices.parse import Table
from gopherwood.notices.sinks import Tools
from gopherwood.notices.sinks.replies import post
from gopherwood.notices.sinks.slack_text import MOST_LINES, details, escaped, headline, message
from gopherwood.notices.values import Notice, Remembered, Severity, SinkError, UnwantedError

API = "https://slack.com/api"

OF_THE_CHANNEL = frozenset({"channel_not_found", "not_in_channel", "is_archived", "restricted_action"})
OF_THE_NOTICE = frozenset({"msg_too_long", "no_text", "invalid_blocks", "invalid_arguments", "msg_blocks_too_long"})
NOT_EDITABLE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", *OF_THE_CHANNEL})


class RefusedError(SinkError):
    """Slack said `ok: false`."""

    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"{method}: {code}", hint=f"docs.slack.dev/reference/methods/{method} says what {code} means")
        self.code = code


class Slack:
    """Posts and edits messages as the owner of a token."""

    most = 1
    folds = True
    every = 0.0

    def __init__(self, client: Client, api: str, token: str, channel: str) -> None:
        self._client = client
        self._api = api
        self._token = token
        self._channel = channel

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Edit the message of the same story, or post one."""
        last = notices[-1]
        head = headline(notices)
        if len(notices) > 1:
            self._post(notices)
            return []
        before = remembered(last.subject)
        channel = last.channel or self._channel
        if before and before.channel.partition(" ")[0] == channel and not self._is_graver(last, before):
            lines = (*before.lines, head)[-MOST_LINES:]
            try:
                self._edit(last, before, lines)
            except RefusedError as error:
                if error.code not in NOT_EDITABLE:
                    raise
            else:
                return [Message(last.subject, before.channel, before.number, lines, last.ends)]
        at, number = self._post(notices)
        return [Message(last.subject, f"{channel} {at}", number, (head,), last.ends)]

    @staticmethod
    def _is_graver(notice: Notice, before: Message) -> bool:
        marks = [":rotating_light:" in line for line in before.lines]
        return notice.severity is Severity.PAGE and not any(marks)

    def _edit(self, notice: Notice, before: Message, lines: Sequence[str]) -> None:
        earlier = "".join(f"\n• {line}" for line in lines[:-1])
        text = f"{lines[-1]}{details(notice)}{earlier}"
        self._call("chat.update", {"channel": before.channel.partition(" ")[2], "ts": before.number, "text": text})

    def _post(self, notices: Sequence[Notice]) -> tuple[str, str]:
        """Post a message; return the channel and the number that Slack gave it."""
        last, text = notices[-1], message(notices)
        # Slack drops no repetition by itself; this is by what one is recognized.
        key = {"event_type": "gopherwood_notice", "event_payload": {"id": last.key, "kind": last.kind}}
        told = {"channel": last.channel or self._channel, "text": text, "metadata": key, "unfurl_links": False}
        try:
            reply = self._call("chat.postMessage", told)
        except RefusedError as error:
            if error.code not in OF_THE_CHANNEL or told["channel"] == self._channel:
                raise
            note = f"{text}\n(meant for {escaped(last.channel)}: {error.code})"
            reply = self._call("chat.postMessage", told | {"channel": self._channel, "text": note})
        return str(reply.get("channel", "")), str(reply.get("ts", ""))

    def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {self._token}"}
        reply = post(self._client, f"{self._api}/{method}", json.dumps(body).encode(), headers)
        try:
            said = json.loads(reply.body)
        except ValueError:
            raise SinkError(f"{method}: the reply is no JSON") from None
        if not isinstance(said, dict) or said.get("ok") is not True:
            code = str(said.get("error", "unknown"))[:100] if isinstance(said, dict) else "unknown"
            raise UnwantedError(f"{method}: {code}") if code in OF_THE_NOTICE else RefusedError(method, code)
        return said


def make(table: Table, tools: Tools) -> Slack:
    """Make the sink of a table of the file. Raises ConfigError."""
    api = table.url("api", table.text("api", API).rstrip("/"))
    return Slack(tools.client, api, table.secret("token"), table.text("channel"))
