"""What a worker costs its machine, in the names that every Prometheus client library uses for it.

A load test reads processor time and memory of serving from here, before, while and after it asks (gopherwood.loadtest).
Authority: prometheus.io/docs/instrumenting/writing_clientlibs, "Process metrics".
"""

import os
import time
from pathlib import Path

_STARTED = time.time() - time.process_time()  # near enough: what came before is the start of the interpreter
_STATM = Path("/proc/self/statm")


def render(worker: int) -> bytes:
    """Return the process metrics of this worker as a scrape; memory only where the system tells it in /proc."""
    samples = [
        ("cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", time.process_time()),
        ("start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", _STARTED),
    ]
    if _STATM.exists():
        resident = int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        samples.append(("resident_memory_bytes", "gauge", "Resident memory size in bytes.", resident))
    text = ""
    for name, kind, says, value in samples:
        text += f"# HELP process_{name} {says}\n# TYPE process_{name} {kind}\n"
        text += f'process_{name}{{worker="{worker}"}} {value:.15g}\n'
    return text.encode()
