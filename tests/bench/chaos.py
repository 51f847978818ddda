"""`make bench-chaos`: the figures of docs/chaos.md, by the experiments that come along, on a platform made for it.

Two serving processes stand behind nginx, which asks the other one where one does not answer (`proxy_next_upstream`);
one is ended, and one is killed, under load, several times. Then an ingestion is killed at so many random instants.

    make bench-chaos ARGS="--rounds 5 --kills 200"
"""

import argparse
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / folder) for folder in ("tasks", "tests")]

from fakes import logged, valid  # noqa: E402
from fakes.lab import Lab  # noqa: E402
from gopherwood import publish  # noqa: E402
from gopherwood.chaos import experiment as experiments  # noqa: E402
from gopherwood.config import Settings  # noqa: E402
from gopherwood.module import ModuleVersion  # noqa: E402
from gopherwood.up.children import Children  # noqa: E402

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream serving {{
    server 127.0.0.1:{one} max_fails=1 fail_timeout=1s;
    server 127.0.0.1:{two} max_fails=1 fail_timeout=1s;
    keepalive 16;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://serving; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 1s; proxy_next_upstream error timeout http_502 http_503;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ready(url: str) -> None:
    """Wait till something answers."""
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.05)


@contextmanager
def platform(home: Path, versions: int) -> Iterator[Lab]:
    """Run two serving processes, started again when they end, and nginx before them."""
    settings = Settings(home=home, ledger_key=logged.SECRET)
    valid.make_valid(settings, [ModuleVersion(f"example.com/m{n}", "v1.0.0") for n in range(versions)], times=400)
    publish.run(settings)
    one, two, front = free_port(), free_port(), free_port()
    program = [str(Path(sys.executable).with_name("gopherwood-serving"))]
    over = threading.Event()
    with Children(home / "logs") as children:
        for name, port in (("serving", one), ("serving-2", two)):
            own = {"GOPHERWOOD_HOME": str(home), "GOPHERWOOD_SERVING_PORT": str(port)}
            children.start(name, program, os.environ | own | {"GOPHERWOOD_ACCESS_LOG": "off"})
            ready(f"http://127.0.0.1:{port}")
        conf = home / "nginx.conf"
        conf.write_text(NGINX.format(folder=home, one=one, two=two, port=front))
        children.start("nginx", [shutil.which("nginx") or "nginx", "-c", str(conf), "-p", str(home)], os.environ)
        ready(f"http://127.0.0.1:{front}")

        def watch() -> None:
            while not over.wait(0.1):
                if child := children.dead():
                    children.again(child)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        lab = Lab(settings, f"http://127.0.0.1:{front}")
        lab.opt_in("serving")
        yield lab
        over.set()
        watcher.join()


def figures(lab: Lab, name: str, number: int) -> dict[str, object]:
    """Run an experiment; return what its report says."""
    found = lab.chaos(name, "--execute", "--seed", str(number))
    report = json.loads((lab.home / "reports/chaos" / found.run / "report.json").read_text())
    print(f"{name} {number}: {found.verdict} {found.reason}: {report['headline']}", flush=True)
    return report


def main() -> None:
    """Run the experiments, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="times that each of two is ended, and killed")
    parser.add_argument("--kills", type=int, default=0, help="kills of the ingestion; 0: none")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-chaos-") as folder, platform(Path(folder, "home"), 60) as lab:
        for name in ("one-of-two-ended", "one-of-two-killed"):
            reports = [figures(lab, name, number) for number in range(args.rounds)]
            seen = [each["clients"] for each in reports]
            rows.append(
                f"| {name} | {sum(r['verdict'] == 'pass' for r in reports)} of {len(reports)} "
                f"| {sum(s['failed'] for s in seen)} of {sum(s['requests'] for s in seen)} "
                f"| {max(s['error_window_seconds'] for s in seen)} | {max(s['recovery_seconds'] or 0 for s in seen)} "
                f"| {max(r['ready_seconds'] or 0 for r in reports)} |"
            )
        if args.kills:
            said = json.loads(experiments.shipped()["ingest-killed-200"].read_text())
            said["method"][0]["provider"]["arguments"]["times"] = args.kills
            file = lab.home / "kills.json"
            file.write_text(json.dumps(said))
            print(json.dumps(figures(lab, str(file), 1)["work"] | {"notes": []}))
    print("| experiment | passed | failed requests | longest dark s | recovery s | replaced s |")
    print("\n".join(["|---|---|---|---|---|---|", *rows]))


if __name__ == "__main__":
    main()
