"""Installing the platform by the very commands of docs/kubernetes.md, with the values of this machine."""

import re
import socket
import subprocess
import sys
from pathlib import Path

from cluster.kube import Cluster
from cluster.outside import Outside
from cluster.platform import NAMESPACE, Platform
from gopherwood import toolchain
from gopherwood.config import Settings
from gopherwood_images.recipes import ROOT

PAGE = ROOT / "docs" / "kubernetes.md"
WANTED = "example.com/first@v1.0.0"
CANARY = "canary-5d0a91f7"
"""A secret key, which the bucket takes like any other: it must be found nowhere but in Secrets."""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": CANARY, "AWS_DEFAULT_REGION": "us-east-1"}


def commands() -> list[str]:
    """Return the shell blocks of the page, in order; the first is what a reader sets for himself."""
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def names() -> set[str]:
    """Return the names that the first block sets."""
    return set(re.findall(r"(?:^| )([A-Z_]+)=", commands()[0], re.MULTILINE))


def install(cluster: Cluster, outside: Outside, lock: Path, folder: Path) -> Platform:
    """Run the page in one shell, in a folder that has of the checkout what the page names."""
    for name in ("serving", "tasks", "helm-values", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    outside.add("example.com/second", "v1.1.0")
    outside.add("example.com/first", "v1.0.0", {"go.mod": REQUIRES, "first.go": USES})
    catalog, airflow = outside.database.url(migrated=False), outside.database.url(migrated=False)
    bucket = outside.objects.bucket("").rstrip("/")
    mine = chosen(outside, lock, bucket, catalog, airflow)
    environ = {name: text for name, text in cluster.env.items() if not name.startswith("GO")}
    environ |= mine | {"GOPATH": str(folder / "go"), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
    environ["PATH"] = f"{toolchain.find_go().parent}:{Path(sys.executable).parent}:{environ['PATH']}"
    script = "\n".join(["set -euo pipefail", "trap 'kill $(jobs -p)' EXIT", *commands()[1:]])
    script = script.replace("8480", free_port()).replace("8481", free_port())
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    cluster = cluster.within(NAMESPACE)
    events = cluster.kubectl("get", "events,pods", "-o", "wide")
    assert done.returncode == 0, f"{done.stdout}\n{events}"
    settings = Settings.from_env(
        {
            "GOPHERWOOD_HOME": str(folder / "home"),
            "GOPHERWOOD_CATALOG": catalog,
            "GOPHERWOOD_STORE": f"{bucket}/store",
            "GOPHERWOOD_ACCESS_LOG_STORE": f"{bucket}/logs",
            "GOPHERWOOD_S3_ENDPOINT": outside.objects.endpoint,
        }
    )
    return Platform(cluster, outside, settings, done.stdout, frozenset(mine))


def chosen(outside: Outside, lock: Path, bucket: str, catalog: str, airflow: str) -> dict[str, str]:
    """Return what a reader of the page sets for himself."""
    return KEYS | {
        "ENVIRONMENT": "ci",
        "LOCK": str(lock),
        "STAYING": "kp-n1",
        "VANISHING": "kp-n2 kp-n3",
        "CATALOG": outside.inside(catalog),
        "AIRFLOW": outside.inside(airflow).replace("postgresql:", "postgresql+psycopg:"),
        "BUCKET": bucket,
        "ENDPOINT": outside.inside(outside.objects.endpoint),
        "UPSTREAM": outside.inside(outside.upstream.url),
        "SUMDB": outside.log.vkey,
        "INDEX": outside.inside(outside.index.url),
        "LEDGER": "ledger.example",
        "WANTED": WANTED,
    }


REQUIRES = "module example.com/first\n\ngo 1.21\n\nrequire example.com/second v1.1.0\n"
USES = 'package first\n\nimport _ "example.com/second"\n'


def free_port() -> str:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
