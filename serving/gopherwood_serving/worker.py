"""One worker process: an event loop with the application and its connections.

The event loop is uvloop's where that is installed. SIGUSR1 says: draining, do not be ready any more. SIGTERM, or the
end of the process that started this one, says: finish what is under way, and end.
"""

import asyncio
import gc
import importlib.util
import multiprocessing
import signal

from gopherwood import output
from gopherwood.config import Settings
from gopherwood_serving.app import App, create_app
from gopherwood_serving.listener import Listener

GARBAGE_THRESHOLD = 50_000
"""Objects made and kept between two searches for cycles."""


def main(settings: Settings, number: int) -> None:
    """Serve, as the worker of this number, until told to end."""
    output.start_logging(None)
    # Ctrl-C in a terminal reaches every process of the group; only the parent decides, so that it can drain first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    app = create_app(settings, number)
    # What is noted for the access log lives till it is written, and each few hundred of it would start a search for
    # cycles, of which hot requests make none.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 10, 10)
    factory = None
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(app, settings))


async def _serve(app: App, settings: Settings) -> None:
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, app.drain)
    loop.add_signal_handler(signal.SIGTERM, end.set)
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop.add_reader(parent.sentinel, end.set)
    app.start()
    listener = Listener(app.answer_from_memory, app.answer, settings.serving_host, settings.serving_port)
    await end.wait()
    if parent is not None:
        loop.remove_reader(parent.sentinel)
    await listener.stop()
    app.stop()
