"""How connections are watched over, on an event loop of the test's own, where a sweep takes no ten seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gopherwood_serving import listener
from gopherwood_serving.answers import head_of
from gopherwood_serving.connection import Connection
from gopherwood_serving.listener import Listener
from gopherwood_serving.request import Request

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = bytes(64 << 20)


def answer_now(request: Request, connection: Connection) -> bool:
    """Answer /large with more than any socket takes, everything else with nothing; /later is for a task."""
    if request.path == "/later":
        return False
    body = LARGE if request.path == "/large" else b""
    connection.send(head_of(200, [], len(body)), body)
    return True


async def fail(request: Request, connection: Connection) -> None:
    raise ZeroDivisionError(request.path)


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """Listen on a free port till the block ends."""
    ours = Listener(answer_now, fail, "127.0.0.1", 0)
    yield ours._socket.getsockname()[1]
    await ours.stop()


@pytest.mark.parametrize("sent", [b"", REQUEST, REQUEST[:-2], b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_who_does_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """Without a request, after one, in the middle of one, or without reading: no client holds a connection for ever."""
    monkeypatch.setattr(listener, "SWEEP_SECONDS", 0.01)

    async def play() -> None:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1000)
            writer.write(sent)
            await asyncio.sleep(0.5 if b"large" in sent else 0)
            got = b""
            while piece := await asyncio.wait_for(reader.read(1 << 20), 10):
                got += piece
            assert len(got) < len(LARGE)
            writer.close()

    asyncio.run(play())


def test_more_than_the_most_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are answered once another has ended."""
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 2)

    async def play() -> None:
        async with listening() as port:
            clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            for _, writer in clients:
                writer.write(REQUEST)
            assert b"200" in await clients[1][0].readline()
            waiting = asyncio.create_task(clients[2][0].readline())
            await asyncio.sleep(0.05)
            assert not waiting.done()
            clients[0][1].close()
            assert b"200" in await asyncio.wait_for(waiting, 10)
            for _, writer in clients:
                writer.close()

    asyncio.run(play())


def test_an_error_of_ours_is_500(caplog: pytest.LogCaptureFixture) -> None:
    """What nobody expected is logged and answered, and the connection goes on."""

    async def play() -> None:
        async with listening() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(REQUEST.replace(b"/ ", b"/later ") + REQUEST)
            assert b" 500 " in await reader.readline()
            await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()

    asyncio.run(play())
    assert "ZeroDivisionError" in caplog.text
