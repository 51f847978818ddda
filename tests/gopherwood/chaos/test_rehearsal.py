"""Rehearsals: an ingestion of its own, with what is published as its upstream, is hurt in every way and loses nothing.

One is made in every run of the tests; all of them in a full sweep (make test-crash).
"""

import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from fakes import strace
from fakes.lab import Lab
from gopherwood import store
from gopherwood.chaos import experiment as experiments
from gopherwood.chaos.faultproxy import FaultProxy
from gopherwood.chaos.rehearsal import folder
from gopherwood.config import Settings
from gopherwood.errors import TruncatedError, UpstreamError
from gopherwood.http import Client
from gopherwood.objects import open_objects

from .conftest import MVS

full_only = pytest.mark.skipif(not strace.FULL, reason="only in a full sweep (make test-crash)")
KEY = store.key(MVS[0], ".zip")


def small(tmp_path: Path, name: str, **arguments: object) -> str:
    """Make a file of an experiment with few versions."""
    said = json.loads(experiments.shipped()[name].read_text())
    said["method"][0]["provider"]["arguments"] |= {"versions": 3} | arguments
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(said))
    return str(file)


@pytest.mark.skipif(bool(strace.why_not()), reason=f"left out: {strace.why_not()}")
def test_killed_between_the_ledger_and_the_marks(lab, tmp_path):
    """Three versions are in the ledger and none is visible when it is killed; the next run publishes them, once."""
    found = lab.execute(small(tmp_path, "ledger-killed", times=1))
    assert (found.verdict, found.reason) == ("pass", "")
    (work,) = [each["facts"] for each in lab.journal(found.run).all("done")]
    assert (work["wanted"], work["published"], work["kills"]) == (3, 3, 1)
    assert (work["lost"], work["changed"], work["half"], work["broken"]) == (0, 0, 0, [])
    assert "3 versions were in the ledger, and none of them visible" in work["notes"]
    assert not folder(lab.settings, found.run).exists()


NEEDS = {"publish-killed": "strace", "disk-full": "unshare", "clock-ahead": "faketime", "clock-behind": "faketime"}
OTHERS = {
    "download-killed": {"times": 1},
    "publish-killed": {"times": 2},
    "ingest-killed": {"times": 3},
    "catalog-locked": {"seconds": 1},
    **{f"upstream-{fault}": {} for fault in ("slow", "reset", "truncated", "down", "lying")},
    "disk-full": {},
    "clock-ahead": {},
    "clock-behind": {},
}


@full_only
@pytest.mark.parametrize("name", OTHERS)
def test_all_others(lab, tmp_path, name):
    """Whatever befalls it, everything is published in the end, byte for byte, and nothing is half on the way."""
    needs = NEEDS.get(name)
    if needs and shutil.which(needs) is None:
        pytest.skip(f"{needs} is not installed")
    more = OTHERS[name] | ({"versions": 4} if name == "disk-full" else {})
    found = lab.execute(small(tmp_path, name, **more))
    assert (found.verdict, found.reason) == ("pass", "")


def test_what_a_machine_has_not_is_refused(lab, tmp_path, monkeypatch):
    """Without strace a rehearsal that needs it is refused, and says so; nothing is done."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    for name, says in (("ledger-killed", "no strace"), ("clock-ahead", "no faketime"), ("disk-full", "namespaces")):
        found = lab.execute(small(tmp_path, name))
        assert (found.verdict, says in found.reason) == ("refused", True)


def test_nothing_published_is_inconclusive(tmp_path):
    """Where there is nothing to rehearse with nothing is shown."""
    found = Lab(Settings(home=tmp_path / "empty")).execute("ledger-killed")
    assert (found.verdict, found.exit_code) == ("inconclusive", 99)


@pytest.fixture
def proxy(published):
    objects = open_objects((published / "store").as_uri(), settings=Settings())
    with FaultProxy(objects, pause=0.2) as proxy:
        yield proxy


def get(proxy: FaultProxy) -> bytes:
    with Client(Settings(timeout=2), tries=1) as client:
        return client.get(f"{proxy.url}/{KEY}", limit=1 << 20).body


def test_fault_proxy_fails_in_each_way_and_heals(proxy):
    """Our own client sees each fault for what it is, and the very bytes once it is healed."""
    whole = get(proxy)
    assert whole == proxy.objects.read(KEY)
    for fault, error in (("truncated", TruncatedError), ("reset", UpstreamError), ("down", UpstreamError)):
        proxy.fail(fault)
        with pytest.raises(error):
            get(proxy)
    proxy.fail("lying")
    lie = get(proxy)
    assert (len(lie), sum(a != b for a, b in zip(lie, whole, strict=True))) == (len(whole), 1)
    proxy.fail("slow")
    assert get(proxy) == whole
    assert proxy.paused.acquire(blocking=False)
    proxy.heal()
    assert get(proxy) == whole
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{proxy.url}/ledger/x/checkpoint")


def test_fault_proxy_listens_on_loopback_only(proxy):
    """Nobody else can reach it."""
    assert proxy._server.server_address[0] == "127.0.0.1"
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    for address in addresses[:1]:
        with pytest.raises(OSError), socket.create_connection((address, proxy._server.server_port), 1):
            pass
