"""Two namespaces as two environments, each with serving over a store and a database of its own."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from chart.render import CHARTS
from cluster.asking import TMP, ended, start
from cluster.kube import Cluster
from cluster.outside import NAME, Outside
from fakes.postgres import Server
from fakes.site import Site

MODULE, VERSION = "example.com/on/cluster", "v1.0.0"
NAMES = ("one", "two")
OWNER = "gopherwood"
DRIVER = {"HELM_DRIVER": "configmap"}
IN_POD = {"HOME": "/tmp", "TMPDIR": "/tmp", "GOPHERWOOD_HOME": "/tmp", "GOPHERWOOD_CHECKOUT": "/checkout"}
CANARY = "canary-b1f0c6e2"
"""What passwords are made of: it must be found nowhere but in Secrets."""
USERS = ("gopherwood_a", "gopherwood_b")
SERVING = {
    "nodePool": "pvm-pool",
    "drain": {"endpoints": 3},
    "settings": {"serving_drain": 15},
    "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
    "store": {"volume": {"existingClaim": "store"}},
}
TASKS = {"airflow": {"listNodes": False}, "poolCheck": {"enabled": False}}


@dataclass
class Place:
    """An environment."""

    name: str
    cluster: Cluster
    site: Site
    inside: str
    """URL of its database as pods reach it, without user and password."""

    def catalog(self, user: str) -> str:
        """Return the URL of its catalog for a login role."""
        return f"postgresql+psycopg://{user}:{CANARY}-{user}@{self.inside}"

    def secret(self, user: str) -> None:
        """Make its Secret, or replace it."""
        self.cluster.secret("gopherwood-serving", {"GOPHERWOOD_CATALOG": self.catalog(user)})

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the web pods that are there and not ending."""
        listed = self.cluster.get("pods", "-l", "app.kubernetes.io/component=web")
        found = [each for each in listed if "deletionTimestamp" not in each["metadata"]]
        return {each["metadata"]["name"]: each for each in found}

    def runs(self) -> set[str]:
        """Return the digests of the app that its pods run."""
        containers = [each["spec"]["containers"] for each in self.pods().values()]
        return {one["image"].partition("@")[2] for pod in containers for one in pod if one["name"] == "serving"}


@dataclass
class Places:
    """Both, and the checkout that says what they are."""

    one: Place
    two: Place
    checkout: Path

    def helm(self, place: Place, *arguments: str | Path) -> str:
        """Run helm there."""
        line = ["helm", "--namespace", place.cluster.namespace, *arguments]
        done = subprocess.run(line, env=place.cluster.env | DRIVER, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def install(self, place: Place) -> None:
        """Install both charts by hand; the tasks' with the rights of promotions."""
        self.upgrade(place)
        self.helm(place, *self._upgrade(place, "gopherwood", "tasks"))

    def upgrade(self, place: Place, **values: Any) -> None:
        """Upgrade serving by hand, as docs/kubernetes.md has it: the environment's values, changed, and its lock."""
        file = self.checkout / "helm-values" / place.name / "serving.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | values))
        self.helm(place, *self._upgrade(place, "gopherwood-serving", "serving"))

    def _upgrade(self, place: Place, release: str, chart: str) -> list[str | Path]:
        folder = self.checkout / "helm-values" / place.name
        values = ["--values", folder / f"{chart}.yaml", "--values", folder / "release.lock"]
        return ["upgrade", "--install", release, CHARTS[chart], *values, "--wait", "--timeout", "240s"]

    def promote(self, record: Path, to: Place, *more: str) -> subprocess.CompletedProcess[str]:
        """Run the verb as an operator does; return how it ended."""
        process = self.start(record, to, *more)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(self, record: Path, to: Place, *more: str) -> "subprocess.Popen[str]":
        """Start the verb."""
        line = ["promote", str(record), "--to", to.name, "--checkout", str(self.checkout), *more]
        settings = {"GOPHERWOOD_HOME": str(to.site.settings.home), "GOPHERWOOD_CATALOG": to.site.settings.catalog}
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "gopherwood", *line]
        return subprocess.Popen(command, env=to.cluster.env | DRIVER | settings, stdout=pipe, stderr=pipe, text=True)

    def promote_from_within(self, record: Path, to: Place, image: str, *more: str) -> None:
        """Run the verb in a pod there, with the rights that the tasks' chart gives to promotions."""
        for path in (self.checkout, *self.checkout.rglob("*")):
            os.chown(path, 65532, 65532)
        command = ["gopherwood", "promote", record.name, "--to", to.name, *more]
        start(
            to.cluster,
            "promote",
            command,
            image=image,
            env=DRIVER | IN_POD,
            secret="gopherwood-serving",
            mounts={"/checkout": {"hostPath": {"path": str(self.checkout)}}, **TMP},
            serviceAccountName="gopherwood-promote",
            automountServiceAccountToken=True,
            nodeSelector={"node-pool": "default-pool"},
        )
        ended(to.cluster, "promote")

    def lock(self, place: Place) -> Path:
        """Return the lock of an environment."""
        return self.checkout / "helm-values" / place.name / "release.lock"


@contextmanager
def two_places(cluster: Cluster, outside: Outside, checkout: Path) -> Iterator[Places]:
    """Make both, with databases that want passwords, and a version published in each."""
    _make_roles(outside.database)
    one, two = (_place(cluster, outside.database, name) for name in NAMES)
    for each in (one, two):
        folder = checkout / "helm-values" / each.name
        folder.mkdir(parents=True)
        (folder / "serving.yaml").write_text(yaml.safe_dump(SERVING))
        readers = [{"namespace": two.cluster.namespace, "name": "gopherwood-promote"}] if each is one else []
        (folder / "tasks.yaml").write_text(yaml.safe_dump(TASKS | {"promote": {"enabled": True, "readers": readers}}))
    declared = [{"name": each.name, "namespace": each.cluster.namespace} for each in (one, two)]
    (checkout / "helm-values/environments.json").write_text(json.dumps(declared))
    try:
        yield Places(one, two, checkout)
    finally:
        for each in (one, two):
            each.site.stop()
            each.cluster.kubectl("delete", "namespace", each.cluster.namespace, "--wait=false")
            each.cluster.kubectl("delete", "persistentvolume", f"{each.cluster.namespace}-store", "--wait=false")
            shutil.rmtree(each.site.settings.home)


def _make_roles(database: Server) -> None:
    """Let one role own the tables, and two log in as it, each by its password."""
    rules = (database.folder / "data" / "pg_hba.conf").read_text()
    wanted = f"host all {','.join(USERS)} 127.0.0.1/32 scram-sha-256\n"
    (database.folder / "data" / "pg_hba.conf").write_text(wanted + rules)
    with _as_owner(database, "postgres") as connection:
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE ROLE {OWNER} NOLOGIN")
        for user in USERS:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{CANARY}-{user}' IN ROLE {OWNER}")
            connection.execute(f"ALTER ROLE {user} SET role = '{OWNER}'")


def _as_owner(database: Server, name: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(host=str(database.folder), port=database.port, user="test", dbname=name, autocommit=True)


def _place(cluster: Cluster, database: Server, name: str) -> Place:
    there = cluster.within(f"gopherwood-{name}")
    there.kubectl("create", "namespace", there.namespace)
    url = database.url(migrated=False)
    match = re.search(r"@/(\w+)\?", url)
    assert match
    with _as_owner(database, match[1]) as connection:
        connection.execute(f"ALTER DATABASE {match[1]} OWNER TO {OWNER}")
        connection.execute(f"ALTER SCHEMA public OWNER TO {OWNER}")
    folder = Path(tempfile.mkdtemp(prefix="gopherwood-", dir="/var/tmp"))
    folder.chmod(0o755)
    site = Site.new(folder, GOPHERWOOD_CATALOG=f"{url}&options=-c%20role%3D{OWNER}")
    site.publish(MODULE, VERSION)
    place = Place(name, there, site, f"{NAME}:{database.port}/{match[1]}")
    place.secret(USERS[0])
    _claim(there, folder)
    return place


def _claim(cluster: Cluster, folder: Path) -> None:
    """Make a claim of a folder that all nodes see: a volume is of no namespace, so a promotion could not make it."""
    name = f"{cluster.namespace}-store"
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)}, **common}
    volume |= {"claimRef": {"namespace": cluster.namespace, "name": "store"}}
    claim = {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": name, **common}
    cluster.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store"}, "spec": claim},
    )
