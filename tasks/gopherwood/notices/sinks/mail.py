"""E-mail by SMTP: all that is due in one message, the gravest first in its subject.

The connection is encrypted by STARTTLS (`tls = "starttls"`), from its beginning (`tls`), or not at all (`none`), which
is for this machine alone. The Message-ID says what is in it, so that a repeated one is recognized. Authority: RFC 5321,
RFC 3207, RFC 5322.
"""

import hashlib
import logging
import smtplib
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from gopherwood import credentials, wire
from gopherwood.catalog import Message
from gopherwood.notices.parse import Table
from gopherwood.notices.sinks import Tools
from gopherwood.notices.values import Notice, Remembered, SinkError, UnwantedError

log = logging.getLogger(__name__)

SECONDS = 15.0
"""How long a server may take over each answer."""
LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Sends digests from one address to some."""

    host: str
    port: int
    tls: str
    sender: str
    to: Sequence[str]
    user: str
    password: str
    every: float
    most: int = 500
    folds: bool = False

    def deliver(self, notices: Sequence[Notice], remembered: Remembered) -> list[Message]:
        """Send one message."""
        letter = self.letter(notices)
        try:
            server = self._connection()
            with closing(server):
                refused = server.send_message(letter, self.sender, list(self.to))
                with suppress(smtplib.SMTPException, OSError):  # it is sent, whatever becomes of the connection
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            raise _error(next(iter(error.recipients.values()))) from None
        except smtplib.SMTPResponseException as error:
            raise _error((error.smtp_code, error.smtp_error)) from None
        except (smtplib.SMTPException, OSError) as error:
            raise SinkError(f"{self.host}: {error}") from None
        for address, reply in refused.items():
            log.warning("no mail for one of several", extra={"address": address, "problem": str(_error(reply))})
        return []

    def _connection(self) -> smtplib.SMTP:
        if self.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=wire.tls())
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            if self.tls == "starttls":
                server.starttls(context=wire.tls())
            if self.user:
                server.login(self.user, self.password)
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
        return server

    def letter(self, notices: Sequence[Notice]) -> EmailMessage:
        """Return the message that tells of notices."""
        gravest = max(notices, key=lambda each: each.severity)
        more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
        digest = hashlib.sha256(" ".join(each.key for each in notices).encode()).hexdigest()[:32]
        letter = EmailMessage()
        letter["Subject"] = f"[gopherwood] {gravest.severity.word}: {gravest.line[:LONGEST_SUBJECT]}{more}"
        letter["From"] = self.sender
        letter["To"] = ", ".join(self.to)
        letter["Date"] = format_datetime(notices[-1].at)
        letter["Message-ID"] = f"<{digest}@{self.sender.rpartition('@')[2]}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content("\n".join(_paragraph(each) for each in notices))
        return letter


def _paragraph(notice: Notice) -> str:
    below = "".join(f"    {each}\n" for each in (notice.todo, notice.link) if each)
    return f"{notice.at:%Y-%m-%d %H:%M}Z {notice.severity.word}: {notice.line}\n{below}"


def _error(reply: tuple[int, bytes | str]) -> SinkError:
    """Return the error of a reply: 5xx of the message or its recipients is for good, all else may pass."""
    code, said = reply
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    says = f"answers {code}: {' '.join(text.split())[:200]}"
    return UnwantedError(says) if code in (552, 554) else SinkError(says)


def make(table: Table, _tools: Tools) -> Mail:
    """Make the sink of a table of the file. Raises ConfigError."""
    tls = table.choice("tls", ("starttls", "tls", "none"), "starttls")
    host, _, port = table.text("server").partition(":")
    if not host or not port.isdigit():
        raise table.error("server", "is no HOST:PORT", 'e.g. server = "smtp.example:587"')
    if tls == "none" and not credentials.is_loopback(host):
        raise table.error("tls", "= 'none' is for this machine alone", 'use "starttls" or "tls"')
    to, sender = table.texts("to"), table.text("from")
    for key, address in (("from", sender), *(("to", each) for each in to)):
        if "@" not in address or not address.isascii() or any(char.isspace() or char in "<>,;" for char in address):
            raise table.error(key, f"= {address!r} is no plain address", "e.g. you@example.org")
    user = table.text("user", "")
    password = table.secret("password") if user else ""
    every = table.number("every_minutes", 15.0, most=7 * 24 * 60) * 60
    return Mail(host=host, port=int(port), tls=tls, sender=sender, to=to, user=user, password=password, every=every)
