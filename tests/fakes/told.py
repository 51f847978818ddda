"""Real servers that notices are sent to: one shaped like Slack, one that checks signatures, and one that takes mail."""

import base64
import hashlib
import hmac
import json
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any, Self

from fakes.loopback import Answer, Loopback


@dataclass
class Slack(Loopback):
    """`chat.postMessage`, `chat.update` and `hook`, an incoming webhook. `messages` is what people see, by number."""

    token: str = "a-token-of-slack"
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    channels: dict[str, str] = field(default_factory=lambda: {"#ops": "C1", "#quiet": "C2"})
    calls: list[str] = field(default_factory=list)
    says: dict[str, str] = field(default_factory=dict)
    """Errors by method: `ok: false`."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        told = json.loads(body)
        if path in self.faults and any(fault.times != 0 for fault in self.faults[path]):
            return Answer(200)  # it never arrives
        if path == "hook":
            self.messages[str(len(self.messages))] = told
            return Answer(200, b"ok")
        return Answer(200, json.dumps(self._api(path.rpartition("/")[2], headers, told)).encode())

    def _api(self, method: str, headers: dict[str, str], told: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(method)
        if headers.get("Authorization") != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        if error := self.says.get(method):
            return {"ok": False, "error": error}
        if method == "chat.update":
            if self.messages.get(told["ts"], {}).get("channel") != told["channel"]:
                return {"ok": False, "error": "message_not_found"}
            self.messages[told["ts"]]["text"] = told["text"]
            return {"ok": True, "ts": told["ts"], "channel": told["channel"]}
        channel = self.channels.get(told["channel"])
        if channel is None:
            return {"ok": False, "error": "channel_not_found"}
        number = f"1700000000.{len(self.messages):06}"
        self.messages[number] = told | {"channel": channel}
        return {"ok": True, "ts": number, "channel": channel}

    @property
    def texts(self) -> list[str]:
        """What people see, in the order in which it was posted."""
        return [each["text"] for each in self.messages.values()]


@dataclass
class Hook(Loopback):
    """Takes signed notices as docs/notices.md says: what is not signed by the secret is a 400."""

    secret: bytes = b"a secret of sixteen bytes or more"
    taken: list[dict[str, Any]] = field(default_factory=list)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(self.secret, signed, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(digest).decode()}"
        if not hmac.compare_digest(headers["webhook-signature"], wanted):
            return Answer(400, b"bad signature")
        self.taken.append(json.loads(body) | {"key": headers["webhook-id"]})
        return Answer(204)


class Mailbox:
    """An SMTP server with STARTTLS and AUTH PLAIN; `letters` are what it took, each with its envelope."""

    def __init__(self, tls: ssl.SSLContext, user: str = "", password: str = "") -> None:
        self.tls = tls
        self.login = (user, password)
        self.letters: list[tuple[str, list[str], Message]] = []
        self.refuses: dict[str, str] = {}
        """What is said in place of an answer to a command, once."""
        self.unencrypted: list[str] = []
        """Commands that should have been encrypted."""

    def __enter__(self) -> Self:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session)
        self._server.daemon_threads = True
        self._server.mailbox = self  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Session(socketserver.StreamRequestHandler):
    """One connection, command by command (RFC 5321)."""

    def handle(self) -> None:
        box: Mailbox = self.server.mailbox  # type: ignore[attr-defined]
        encrypted, sender, to = False, "", []
        self._say("220 mail.example ESMTP")
        while line := self.rfile.readline().decode().strip():
            word = line.split(" ", 1)[0].upper()
            if refusal := box.refuses.pop(word, ""):
                self._say(refusal)
            elif word == "EHLO":
                self._say("250-mail.example\r\n250 AUTH PLAIN" if encrypted else "250-mail.example\r\n250 STARTTLS")
            elif word == "STARTTLS":
                self._say("220 go ahead")
                self.connection = box.tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                encrypted = True
            elif word == "AUTH":
                given = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:]
                self._say("235 welcome" if tuple(given) == box.login else "535 who are you?")
            elif word == "MAIL":
                box.unencrypted += [] if encrypted else [line]
                sender, to = line.partition("<")[2].partition(">")[0], []
                self._say("250 ok")
            elif word == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            elif word == "DATA":
                self._say("354 go ahead")
                box.letters.append((sender, to, message_from_bytes(self._data())))
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
