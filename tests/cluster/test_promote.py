"""Promotions on a real cluster: two namespaces as two environments, real helm, and a client that never stops asking.

Also the rotation of what is secret, and that it is found nowhere but in Secrets.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import releases
from cluster.asking import Load, ended, start
from cluster.kube import Cluster
from cluster.outside import Outside
from cluster.places import CANARY, MODULE, NAMES, USERS, VERSION, Place, Places, two_places
from fakes import logged
from gopherwood import dirhash
from gopherwood.catalog import LedgerEntry
from gopherwood.deploy import lock, promote
from gopherwood.deploy.record import read
from gopherwood.module import ModuleVersion

PATHS = [f"/{MODULE}/@v/{what}" for what in ("list", f"{VERSION}.info", f"{VERSION}.mod", f"{VERSION}.zip")]
KEY_FILE = {"HOME": "/state", "GOPHERWOOD_HOME": "/state", "GOPHERWOOD_LEDGER_KEY_FILE": "/ledger/key"}
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200), pytest.mark.xdist_group("cluster")]


@pytest.fixture(scope="module")
def records(images: dict[str, str], archives: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the records of three releases whose images are on the nodes."""
    return releases.records(images, archives, tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def places(cluster: Cluster, outside: Outside, records: dict[str, Path]) -> Iterator[Places]:
    """Install the old release in both environments, by hand."""
    checkout = Path(tempfile.mkdtemp(prefix="gopherwood-checkout-", dir="/var/tmp"))  # where pods may look
    checkout.chmod(0o755)
    for record in records.values():
        shutil.copy(record, checkout)
    with two_places(cluster, outside, checkout) as made:
        for place in (made.one, made.two):
            made.lock(place).write_bytes(lock.of(read(records["old"])))
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(made.install, (made.one, made.two)))
        yield made
    shutil.rmtree(checkout)


def serving_digest(record: Path) -> str:
    return read(record).images["serving"]["digest"]


def events(place: Place) -> list[dict[str, object]]:
    """Return what was told of promotions: each kind with its payload."""
    found = [each.event for each in place.site.catalog.events() if each.event.kind.startswith("promotion")]
    return [{"kind": each.kind, **each.payload} for each in found]


def test_release_goes_from_one_environment_to_the_next(
    places: Places, records: dict[str, Path], images: dict[str, str]
) -> None:
    """Refused till the first has verified it; then a pod with its account's rights brings it on; no request fails."""
    new, digest = records["new"], serving_digest(records["new"])
    early = places.promote(new, places.two, "--from", "one")
    assert (early.returncode, events(places.two)) == (2, [])
    assert "one never verified the digests of" in early.stderr
    done = places.promote(new, places.one)
    assert done.returncode == 0, done.stderr
    asking = Load(places.two.cluster, "load-promote", PATHS)
    places.promote_from_within(new, places.two, images["deploy"], "--from", "one")
    assert asking.report()["failures"] == {}
    for place in (places.one, places.two):
        assert place.runs() == {digest}
        assert json.loads(places.lock(place).read_text())["images"]["serving"]["digest"] == digest
        started, finished = events(place)
        assert (started["kind"], finished["kind"]) == (promote.STARTED, promote.FINISHED)
        assert (finished["environment"], finished["version"]) == (place.name, "new")
        assert set(finished["pods"]) == set(place.pods())  # type: ignore[call-overload]
    assert places.promote(new, places.two, "--from", "one").returncode == 99


def test_failing_release_goes_back_by_itself(places: Places, records: dict[str, Path]) -> None:
    """Pods that never get ready are replaced by those of before, the lock stays, and every request is answered."""
    before = places.lock(places.one).read_bytes()
    asking = Load(places.one.cluster, "load-failing", PATHS)
    done = places.promote(records["bad"], places.one, "--wait", "40")
    assert done.returncode == 1
    assert "was rolled back in one" in done.stderr
    assert asking.report()["failures"] == {}
    assert places.lock(places.one).read_bytes() == before
    assert places.one.runs() == {serving_digest(records["new"])}
    told = events(places.one)[-1]
    assert (told["kind"], told["version"]) == (promote.ROLLED_BACK, "bad")
    refused = places.promote(records["bad"], places.two, "--from", "one")
    assert (refused.returncode, "never verified" in refused.stderr) == (2, True)


def test_killed_promotion_is_taken_up_again(places: Places, records: dict[str, Path]) -> None:
    """Killed in the middle of its upgrade it leaves helm pending; run again, it brings the older release back."""
    place, old = places.one, records["old"]
    before = places.lock(place).read_bytes()
    apart = places.start(old, place)
    place.site.wait(lambda: "pending-upgrade" in places.helm(place, "status", "gopherwood-serving"), 120)
    apart.kill()
    apart.wait()
    assert places.lock(place).read_bytes() == before
    assert "pending-upgrade" in places.helm(place, "status", "gopherwood-serving")
    done = places.promote(old, place)
    assert done.returncode == 0, done.stderr
    assert "an earlier promotion was interrupted" in done.stderr
    assert place.runs() == {serving_digest(old)}
    assert places.lock(place).read_bytes() == lock.of(read(old))


def test_password_is_rotated_without_a_failed_request(places: Places) -> None:
    """Another login role is put into the Secret, pods are replaced, and the first role is shut out."""
    place, (first, second) = places.two, USERS
    asking = Load(place.cluster, "load-rotate", PATHS)
    place.secret(second)
    places.upgrade(place, secretRevision="2")
    with place.site.catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET ROLE NONE")
        connection.exec_driver_sql(f"ALTER ROLE {first} NOLOGIN")
        here = "FROM pg_stat_activity WHERE datname = current_database()"
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {here} AND usename = '{first}'")
        time.sleep(5)  # of requests after the first is out
        assert asking.report()["failures"] == {}
        users = f"SELECT DISTINCT usename {here} AND usename <> 'test'"
        assert [row[0] for row in connection.exec_driver_sql(users)] == [second]
        connection.exec_driver_sql(f"ALTER ROLE {first} LOGIN")


def test_key_file_of_the_ledger_moves_and_a_wrong_one_signs_nothing(places: Places) -> None:
    """A pod signs with the ledger's key from one Secret, then from another; with another key it ends."""
    place = places.two
    state = place.site.settings.home
    for path in (state, *state.rglob("*")):
        os.chown(path, 65532, 65532)
    for number, key in enumerate((logged.SECRET, logged.SECRET, logged.OTHER_SECRET), 1):
        name = f"ledger-{number}"
        place.cluster.secret(name, {"key": key})
        mv = ModuleVersion("example.com/on/ledger", f"v1.0.{number}")
        place.site.catalog.ledger_append([LedgerEntry(mv, dirhash.hash_go_mod(b"x"), dirhash.hash_go_mod(b"y"))])
        mounts = {"/state": {"hostPath": {"path": str(state)}}, "/ledger": {"secret": {"secretName": name}}}
        command = ["gopherwood", "ledger", "key", "--json"]
        start(place.cluster, name, command, env=KEY_FILE, secret="gopherwood-serving", mounts=mounts)
        ended(place.cluster, name, 2 if key == logged.OTHER_SECRET else 0)
        head = place.site.catalog.ledger_head()
        assert head is not None
        assert head.size == min(number, 2)


def test_secret_is_found_nowhere_but_in_secrets(places: Places) -> None:
    """No log of a pod, no object but the Secret, nothing that helm keeps or the outbox tells has the password."""
    for name in NAMES:
        place: Place = getattr(places, name)
        pods = place.cluster.kubectl("get", "pods", "-o", "name").split()
        said = [place.cluster.kubectl("logs", pod, "--all-containers", "--ignore-errors") for pod in pods]
        kinds = "pods,deployments,replicasets,jobs,configmaps,events,services,serviceaccounts"
        said += [place.cluster.kubectl("get", kinds, "-o", "json"), place.cluster.kubectl("describe", "pods")]
        said += [places.helm(place, "get", "all", "gopherwood-serving"), str(place.site.catalog.events())]
        assert any("serving" in text for text in said)
        secrets = (CANARY, logged.SECRET.rpartition("+")[2])
        assert [text for text in said if any(secret in text for secret in secrets)] == []
        secret = place.cluster.kubectl("get", "secret", "gopherwood-serving", "-o", "jsonpath={.data}")
        assert secret
