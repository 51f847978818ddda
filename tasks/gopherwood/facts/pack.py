"""Writing the file of a version's facts (files.py). The same facts are the same bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from gopherwood.facts import markdown
from gopherwood.facts.extract import Extracted
from gopherwood.facts.files import FACTS, README, docs_name

_DATE = (1980, 1, 1, 0, 0, 0)


def pack(extracted: Extracted) -> bytes:
    """Return the zip of what was extracted."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, FACTS, _json(extracted.facts.to_json()))
        if extracted.readme:
            _add(archive, README, extracted.readme)
            shown = markdown.html(
                extracted.readme.decode("utf-8", "replace"), extracted.facts.readme, extracted.facts.mv
            )
            _add(archive, f"{README}.html", shown.encode("utf-8", "replace"))
        for folder, documentation in sorted(extracted.docs.items()):
            _add(archive, docs_name(folder), _json(documentation))
    return made.getvalue()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)
