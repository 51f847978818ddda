"""A client like `go`, for a pod: asks at fixed times whatever the server does, over connections that it keeps.

    python3 load.py HOST PORT PER_SECOND PATH ...

Only the standard library, as it runs in the tasks' image. As net/http does, a GET is sent once more on a new connection
when a kept one turns out to have been closed before the first byte of an answer. SIGTERM ends it; then it prints a line
of JSON: requests, failures with their reasons, how many were sent once more, and latencies in seconds from the time a
request was due.
"""

import http.client
import json
import signal
import sys
import threading
import time
from collections import Counter

CONNECTIONS = 8
STALE = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Client:
    """One connection, and what became of its requests."""

    def __init__(self, host, port):
        self.address = (host, port)
        self.connection = None
        self.failures = Counter()
        self.latencies = []
        self.again = 0

    def ask(self, path, due):
        """Send one request; count what became of it."""
        kept = self.connection is not None
        try:
            try:
                self.send(path)
            except STALE:
                if not kept:
                    raise
                self.again += 1
                self.connection = None
                self.send(path)
        except (OSError, http.client.HTTPException) as error:
            self.failures[f"{type(error).__name__}: {error}"] += 1
            self.connection = None
        self.latencies.append(time.monotonic() - due)

    def send(self, path):
        """Send one request on the kept connection, or a new one."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=20)
        self.connection.request("GET", path)
        reply = self.connection.getresponse()
        reply.read()
        if reply.status != 200:
            self.failures[f"{path}: {reply.status}"] += 1
        if reply.will_close:
            self.connection = None


def run(client, paths, start, every, stop):
    """Ask at the times that are this client's."""
    number = 0
    while not stop.wait(max(0.0, (due := start + number * every) - time.monotonic())):
        client.ask(paths[number % len(paths)], due)
        number += 1


def main():
    """Run all clients; print what became of their requests."""
    host, port, rate, *paths = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    clients = [Client(host, int(port)) for _ in range(CONNECTIONS)]
    start = time.monotonic()
    every = CONNECTIONS / float(rate)
    arguments = [(each, paths, start + n / float(rate), every, stop) for n, each in enumerate(clients)]
    threads = [threading.Thread(target=run, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures = sum((each.failures for each in clients), Counter())
    latencies = sorted(latency for each in clients for latency in each.latencies)
    report = {
        "seconds": time.monotonic() - start,
        "requests": len(latencies),
        "failures": dict(failures),
        "again": sum(each.again for each in clients),
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[len(latencies) * 99 // 100],
        "longest": latencies[-1],
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
