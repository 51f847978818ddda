"""Module zips as txtar cases: what is in the zip and what is to be said of it, in one file (tests/cases/zip).

The comment's `path=` and `version=` name the module version; either a file `want` holds the report, or `error=` is what
the module version itself is refused with. A new case is a new file.
"""

from pathlib import Path

import pytest

from fakes.rawzip import build
from gopherwood import modzip
from gopherwood.errors import ContentError
from gopherwood.module import ModuleVersion
from xmod.source import txtar

CASES = sorted((Path(__file__).parents[1] / "cases/zip").glob("*.txtar"))


def verdict(mv: ModuleVersion, path: Path) -> str:
    """Return the report on a zip, or what the module version is refused with."""
    try:
        checked = modzip.check_zip(mv, path)
    except ContentError as error:
        return str(error)
    lists = {"valid": checked.valid, "invalid": checked.invalid}
    return "\n".join(f"{title}:\n" + "".join(f"{file}\n" for file in found) for title, found in lists.items())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path, tmp_path):
    """The verdict on the zip is the wanted one."""
    case = txtar(path)
    files = dict(case.files)
    want = files.pop("want", b"").decode() or case.settings["error"]
    zip_path = tmp_path / "m.zip"
    zip_path.write_bytes(build(files.items()))
    assert want == verdict(ModuleVersion(case.settings["path"], case.settings["version"]), zip_path)
