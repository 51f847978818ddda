"""`gopherwood smoke --serving`: the look at new pods by which a release is verified."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

from fakes import logged
from fakes.site import Site
from gopherwood import dirhash, smoke
from gopherwood.catalog import LedgerEntry
from gopherwood.ledger.append import Appender
from gopherwood.ledger.key import Signer
from gopherwood.module import ModuleVersion
from gopherwood.note import new_signer
from gopherwood.store import key


def test_smoke_sees_what_clients_see(make_site: Callable[..., Site]) -> None:
    """Ready, the newest version as published, the ledger's head; then a zip that is another, and nobody there."""
    site = make_site()
    site.start()
    assert smoke.run(site.settings, site.url).parts["newest version"] == "nothing is published yet"
    made = site.publish("example.com/new", "v1.0.0")
    entry = LedgerEntry(
        ModuleVersion("example.com/new", "v1.0.0"), dirhash.hash_go_mod(b""), dirhash.hash_go_mod(made.mod)
    )
    Appender(site.catalog, site.objects, Signer(new_signer(logged.SECRET))).append([entry])
    result = smoke.run(site.settings, f"{site.url}/")
    assert (result.exit_code, result.broken) == (0, {})
    assert result.parts["newest version"] == "example.com/new@v1.0.0, as it was published"
    assert result.parts["ledger"] == "1 entries, signed"

    site.publish("example.com/new", "v1.1.0")
    path = site.objects.local_path(key(ModuleVersion("example.com/new", "v1.1.0"), ".zip"))
    path.chmod(0o644)
    path.write_bytes(made.zip)
    result = smoke.run(site.settings, site.url)
    assert (result.exit_code, list(result.broken)) == (3, ["newest version"])
    assert hashlib.sha256(made.zip).hexdigest() in result.broken["newest version"]

    site.stop()
    assert set(smoke.run(replace(site.settings, timeout=1), site.url).broken) == set(smoke.SERVING)
