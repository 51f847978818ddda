"""How a file of a checksum database is asked for at a URL: the database's own, or a proxy's for it."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from gopherwood.errors import NotFoundError, UpstreamError
from gopherwood.http import Client

MAX_REPLY: Final = 4 << 20
"""Bytes of one reply that are read; a tile has 8 KiB, a lookup less than 1."""


def read_remote(client: Client, base: str, subpath: str) -> bytes:
    """Return `latest`, `lookup/M@V` or `tile/...`, as x/mod's `sumdb.ClientOps.ReadRemote` does.

    Raises NotFoundError also for a lookup that is answered 400: so golang.org/x/mod/sumdb's server refuses versions
    that no log of it can hold, and so proxies in front of one pass on that there is none; else as `Client.get`.
    """
    try:
        return client.get(f"{base}/{quote(subpath, safe='/!@+~')}", limit=MAX_REPLY).body
    except UpstreamError as error:
        if error.status == HTTPStatus.BAD_REQUEST and subpath.startswith("lookup/"):
            raise NotFoundError(f"not known to the checksum database: {error}", status=error.status) from None
        raise
