"""What an HTTP reply to a notice means: taken, not now, or never."""

from collections.abc import Mapping

from gopherwood.errors import UpstreamError
from gopherwood.http import Client, Response, retry_after
from gopherwood.notices.values import SinkError, UnwantedError

LATER = frozenset({401, 403, 404, 407, 408, 409, 410, 421, 423, 425, 429})
"""Refusals that a person or time may mend; any other of 4xx is about the notice itself."""


def post(client: Client, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
    """Send one request and return the reply to it, a 2xx. Raises SinkError and UnwantedError, which name no URL."""
    try:
        reply = client.post(url, body, headers)
    except UpstreamError as error:
        raise SinkError(str(error), hint=error.hint) from None
    if 200 <= reply.status < 300:
        return reply
    wait = retry_after(reply.headers.get("retry-after", ""))
    said = reply.body[:200].decode("utf-8", "replace").split("\n", 1)[0]
    says = f"answers {reply.status}" + (f": {''.join(char for char in said if char.isprintable())}" if said else "")
    if 400 <= reply.status < 500 and reply.status not in LATER:
        raise UnwantedError(says)
    raise SinkError(says, retry_after=wait)
