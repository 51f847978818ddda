"""`gopherwood-serving`: starts the server on the store and catalog that the settings name.

It finds them by itself: the same settings (`GOPHERWOOD_HOME`, `GOPHERWOOD_STORE`, ...) as every other command. Exit
codes are those of errors.py.
"""

import argparse
import socket
import time
from collections.abc import Sequence
from dataclasses import replace

from gopherwood import __version__, output
from gopherwood.config import Settings
from gopherwood.errors import EXIT_DONE, ConfigError, GopherwoodError

VERB = "serving"
"""What its log lines call it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    flags = build_parser().parse_args(argv)
    output.start_logging(None, verb=VERB)
    began = time.monotonic()
    code, error = _outcome(flags)
    output.say_end(VERB, code, time.monotonic() - began, error)
    return code


def _outcome(flags: argparse.Namespace) -> tuple[int, GopherwoodError | None]:
    try:
        settings = _with_flags(Settings.from_env(), flags)
        with take_port(settings.serving_host, settings.serving_port) as taken:
            _serve(replace(settings, serving_port=int(taken.getsockname()[1])))
    except GopherwoodError as error:
        return error.exit_code, error
    return EXIT_DONE, None


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; flags win over settings."""
    parser = argparse.ArgumentParser(
        prog="gopherwood-serving",
        description="Serve what is published: a Go module proxy, its checksum-database mirror, the index feed, a page.",
        epilog="All other settings come from the environment (GOPHERWOOD_HOME, GOPHERWOOD_STORE, ...).",
    )
    parser.add_argument("--host", help="address to bind (GOPHERWOOD_SERVING_HOST; default 127.0.0.1)")
    parser.add_argument(
        "--port", type=int, help="port to bind, 0 for a free one (GOPHERWOOD_SERVING_PORT; default 8480)"
    )
    parser.add_argument("--workers", type=int, help="worker processes (GOPHERWOOD_SERVING_WORKERS; default 1)")
    parser.add_argument("--version", action="version", version=f"gopherwood-serving {__version__}")
    return parser


def _with_flags(settings: Settings, flags: argparse.Namespace) -> Settings:
    given = {f"serving_{name}": value for name, value in vars(flags).items() if value is not None}
    if given.get("serving_workers", 1) < 1:
        raise ConfigError("--workers must be at least 1")
    return replace(settings, **given)


def take_port(host: str, port: int) -> socket.socket:
    """Return a socket that keeps the port (a free one for 0) for us; raises ConfigError when somebody has it.

    The workers share a port with SO_REUSEPORT, so a second server on the same port would not fail but take half of the
    requests: it is tried here, once, without that option. What is returned never listens. It is bound with the option
    till we end, so that workers may join it and nobody else is given the same free port before they listen.
    """
    if not 0 <= port < 1 << 16:
        raise ConfigError(f"GOPHERWOOD_SERVING_PORT={port} is no port")
    shared = [socket.SO_REUSEPORT]
    try:
        if port:
            _bound(host, port, [socket.SO_REUSEADDR]).close()
            shared.append(socket.SO_REUSEADDR)  # connections of a server that has just ended may linger there
        return _bound(host, port, shared)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="set GOPHERWOOD_SERVING_PORT (--port) to a free port of this machine",
        ) from None


def _bound(host: str, port: int, options: Sequence[int]) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _serve(settings: Settings) -> None:
    from gopherwood_serving.app import create_app
    from gopherwood_serving.server import Server

    create_app(settings).close()  # a URL of no store or no catalog is found here, and not in each worker
    host = f"[{settings.serving_host}]" if ":" in settings.serving_host else settings.serving_host
    print(f"serving {settings.store_url} at http://{host}:{settings.serving_port}", flush=True)  # noqa: T201
    Server(settings).run()
