"""Versions as validate leaves them: staged files, facts in the catalog, state `valid`; ready to be published."""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fakes import catalogs
from gopherwood import dirhash, info
from gopherwood.catalog import Catalog, Evidence, Outcome
from gopherwood.config import Settings
from gopherwood.module import ModuleVersion
from gopherwood.objects import open_objects
from gopherwood.staging import Staging
from gopherwood.states import State

TIME = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def files(mv: ModuleVersion, *, body: str = "", level: int | None = None, times: int = 40) -> dict[str, bytes]:
    """Return the three files of a small version; `body` makes another content, `level` another zip of the same."""
    mod = f"module {mv.path}\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in {"go.mod": mod, "a.go": f"package a // {mv} {body}\n".encode() * times}.items():
            archive.writestr(zipfile.ZipInfo(f"{mv}/{name}"), data, zipfile.ZIP_DEFLATED, level)
    mark = info.canonical(info.Info(mv.version, TIME, None))
    return {".zip": packed.getvalue(), ".mod": mod, ".info": mark}


def make_valid(
    settings: Settings, wanted: Iterable[ModuleVersion], *, body: str = "", level: int | None = None, times: int = 40
) -> None:
    """Enqueue versions and bring all that are queued to the state `valid`."""
    staging = Staging(open_objects(settings.staging_url, mutable=True, settings=settings))
    catalogs.make(settings.catalog_url)
    with Catalog.open(settings) as catalog:
        catalog.enqueue(list(wanted), source="test")
        while jobs := catalog.lease("fetch", owner="test", limit=1000, seconds=60):
            outcomes = []
            for job in jobs:
                token = staging.begin(job.mv, job.attempt)
                for suffix, data in files(job.mv, body=body, level=level, times=times).items():
                    staging.path_for(token, suffix).write_bytes(data)
                staging.commit(token, [".zip", ".mod", ".info"])
                outcomes.append(Outcome(job=job, state=State.STAGED, facts={"token": token}))
            catalog.finish(outcomes)
        while jobs := catalog.lease("validate", owner="test", limit=1000, seconds=60):
            found = [facts(staging.files(job.token)) for job in jobs]
            staging.sync(job.token for job in jobs)
            pairs = zip(jobs, found, strict=True)
            passed = [Evidence("zip-rules", True)]
            catalog.finish([Outcome(job=job, state=State.VALID, facts=facts, evidence=passed) for job, facts in pairs])


def facts(staged: dict[str, Path]) -> dict[str, object]:
    """Return what validate would record of these files."""
    packed, mod = staged[".zip"].read_bytes(), staged[".mod"].read_bytes()
    return {
        "time": TIME,
        "h1": dirhash.hash_zip(staged[".zip"]),
        "go_mod_h1": dirhash.hash_go_mod(mod),
        "zip_size": len(packed),
        "mod_size": len(mod),
        "zip_sha256": hashlib.sha256(packed).hexdigest(),
        "info_sha256": hashlib.sha256(staged[".info"].read_bytes()).hexdigest(),
    }
