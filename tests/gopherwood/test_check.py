"""check-zip and hash: the rules of content on files at hand."""

from pathlib import Path

import pytest

from fakes.goproxy import make_zip
from gopherwood import check
from gopherwood.errors import UsageError
from gopherwood.module import ModuleVersion

M = ModuleVersion("example.com/m", "v1.0.0")


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    """Write a module zip without faults."""
    file = tmp_path / "m.zip"
    file.write_bytes(make_zip("example.com/m", "v1.0.0", {"go.mod": "module example.com/m\n", "m.go": "package m\n"}))
    return file


def test_a_good_zip_has_a_hash(zipped: Path) -> None:
    """The report of a good zip says its h1, and exit code 0."""
    report = check.check_zip(M, zipped)
    assert (report.ok, report.valid, report.exit_code) == (True, 2, 0)
    assert report.h1 == check.hash_files([zipped]).hashes[str(zipped)]


def test_a_bad_zip_names_every_fault(tmp_path: Path) -> None:
    """All that is wrong is said at once, and exit code 1."""
    file = tmp_path / "bad.zip"
    file.write_bytes(make_zip("example.com/m", "v1.0.0", {"a": "", "A": "", "sub/go.mod": "", "b|": ""}))
    report = check.check_zip(M, file)
    assert (report.ok, report.exit_code, len(report.invalid)) == (False, 1, 3)
    assert "case-insensitive file name collision" in report.text()


def test_no_zip_at_all_is_a_fault_of_the_file(tmp_path: Path) -> None:
    """Garbage is reported like any other fault, not as a crash."""
    file = tmp_path / "garbage.zip"
    file.write_bytes(b"garbage")
    assert check.check_zip(M, file).exit_code == 1


def test_a_go_mod_is_hashed_as_go_sum_has_it(tmp_path: Path) -> None:
    """The hash of a file called *.mod is the one of a go.sum line that ends in /go.mod."""
    file = tmp_path / "go.mod"
    file.write_text("module github.com/davecgh/go-spew\n")
    assert check.hash_files([file]).text().startswith("h1:J7Y8YcW2NihsgmVo/mv3lAwl/skON4iLHjSsI+c5H38=  ")


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2, before anything is hashed."""
    with pytest.raises(UsageError, match="no such file"):
        check.hash_files([tmp_path / "nosuch"])


def test_what_is_neither_zip_nor_go_mod_is_named(tmp_path: Path) -> None:
    """Of several files, the one that has no hash is told apart, with what would have one."""
    file = tmp_path / "passwd"
    file.write_text("root:x:0:0\n")
    with pytest.raises(UsageError, match=r"passwd: not a valid zip file") as caught:
        check.hash_files([file])
    assert "module zips" in caught.value.hint


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """A folder is a usage error that says so."""
    with pytest.raises(UsageError, match="is a folder"):
        check.check_zip(M, tmp_path)


def test_content_that_lies_is_reported_like_any_fault(zipped: Path) -> None:
    """A zip whose directory keeps all rules, but whose content is not what it says, gets a report too."""
    data = zipped.read_bytes()
    at = data.index(b"PK\x01\x02") + 16  # the CRC of the first entry, as the directory has it
    zipped.write_bytes(data[:at] + b"\1\0\0\0" + data[at + 4 :])
    report = check.check_zip(M, zipped)
    assert (report.ok, report.exit_code, report.h1) == (False, 1, "")
    assert report.error
