"""x/mod's zip and dirhash tests, held against our twins."""

from pathlib import Path

import pytest

from fakes.rawzip import File, build
from gopherwood import dirhash, modzip
from gopherwood.errors import GopherwoodError
from gopherwood.module import ModuleVersion
from xmod.source import Txtar, download, folder, go_table, txtar

pytestmark = pytest.mark.upstream

LIMITS = {"MaxZipFile": modzip.MAX_ZIP_FILE, "MaxGoMod": modzip.MAX_GO_MOD, "MaxLICENSE": modzip.MAX_LICENSE}


def cases(kind: str) -> list[tuple[str, Txtar]]:
    """Return the txtar cases of one kind; never none, so that a renamed folder is noticed."""
    found = sorted((folder() / "zip/testdata" / kind).glob("*.txt"))
    assert found
    return [(path.stem, txtar(path)) for path in found]


def subject(case: Txtar) -> ModuleVersion:
    return ModuleVersion(case.settings.get("path", ""), case.settings.get("version", ""))


def report(checked: modzip.CheckedFiles) -> str:
    """Print a report as x/mod's tests do."""
    lists = {"valid": checked.valid, "omitted": checked.omitted, "invalid": checked.invalid}
    return "\n".join(f"{title}:\n" + "".join(f"{file}\n" for file in files) for title, files in lists.items())


def complaint(mv: ModuleVersion, path: Path) -> str:
    try:
        modzip.inspect(mv, path)
    except GopherwoodError as error:
        return str(error)
    return ""


def test_check_zip(tmp_path):
    """The report on each txtar case is, to the letter, the one in the case."""
    for name, case in cases("check_zip"):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(build([file for file in case.files if file[0] != "want"]))
        assert dict(case.files)["want"].decode() == report(modzip.check_zip(subject(case), path))


def test_unzip(tmp_path):
    """What Go would not extract is refused in Go's words; what it would has Go's hash."""
    for name, case in cases("unzip"):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(build(case.files))
        if wanted := case.settings.get("wantErr"):
            assert wanted in complaint(subject(case), path)
        else:
            assert case.settings["hash"] == modzip.inspect(subject(case), path).h1


def test_size_limits(tmp_path):
    """Sizes at the limits pass, one byte more does not, whatever little the entries really hold."""
    mv, path = ModuleVersion("example.com/large", "v1.0.0"), tmp_path / "large.zip"
    for row in go_table("zip/zip_test.go", "sizeLimitTests"):
        files = [(file["name"], eval(str(file["size"]).replace("modzip.", ""), LIMITS)) for file in row["files"]]
        path.write_bytes(build(File(name=f"{mv}/{name}", size=size) for name, size in files))
        checked = modzip.check_zip(mv, path)
        errors = [checked.size_error or "", *map(str, checked.invalid)]
        wanted = row["wantCheckZipErr"] or row["wantErr"]
        assert any(wanted in error for error in errors) if wanted else not any(errors)


def test_size_of_the_file(tmp_path):
    """A file above the limit is refused for that, before anything is read."""
    mv, path = ModuleVersion("example.com/m", "v1.0.0"), tmp_path / "m.zip"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(modzip.MAX_ZIP_FILE)
        assert "not a valid zip file" in complaint(mv, path)
        file.truncate(modzip.MAX_ZIP_FILE + 1)
        assert "module zip file is too large" in complaint(mv, path)


def test_hashes_of_x_mod_itself():
    """The zip that carries these tests has the hash that `go` says it has, and so has its go.mod."""
    answer = download()
    assert answer["Sum"] == dirhash.hash_zip(Path(answer["Zip"]))
    assert answer["GoModSum"] == dirhash.hash_go_mod(Path(answer["GoMod"]).read_bytes())
