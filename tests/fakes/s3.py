"""An S3 server on loopback (moto), with a fresh bucket for whoever asks.

It speaks HTTP and honours conditional puts, so the real client runs against it. Credentials are made up.
"""

import atexit
import functools
import itertools
import logging
import os

import boto3
import moto.settings
from moto.server import ThreadedMotoServer

_serial = itertools.count()


class Server:
    """A running server."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        moto.settings.S3_IGNORE_SUBDOMAIN_BUCKETNAME = True  # the bucket is in the path, by whatever name we are asked
        os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1")
        self._moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._moto.start()
        host, port = self._moto.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self._client = boto3.session.Session().client("s3", endpoint_url=self.endpoint)
        atexit.register(self._moto.stop)

    def bucket(self, prefix: str = "some/prefix") -> str:
        """Make a bucket and return the URL of a store in it."""
        name = f"bucket-{next(_serial)}"
        self._client.create_bucket(Bucket=name)
        return f"s3://{name}/{prefix}"


@functools.cache
def server() -> Server:
    """Return this process's server, started on the first call."""
    return Server()
