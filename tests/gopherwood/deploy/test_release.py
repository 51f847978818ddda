"""`gopherwood release`: one file says what was built and tested together; nothing else becomes a release."""

import copy
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fakes.deployment import Deployment, digest
from gopherwood import cli
from gopherwood.deploy import record, results
from gopherwood.errors import EXIT_USAGE, IntegrityError, UsageError
from gopherwood.form import contradiction


def make(site: Deployment, *more: str) -> Path:
    """Make a record by the command line; return its file."""
    line = ["release", "--tests", str(site.junit), "--checkout", str(site.checkout), "--home", str(site.settings.home)]
    assert cli.main([*line, *more]) == 0
    (file,) = (site.checkout / "build/releases").iterdir()
    return file


def test_record_holds_what_was_built_and_tested(site: Deployment) -> None:
    """Images by digest, charts, commit, counts of tests and the ledger's head are in a file named by its hash."""
    file = make(site)
    made = record.read(file)
    assert {image["digest"] for image in made.images.values()} == {digest("a")}
    assert {name: made.tests[name] for name in results.COUNTS} == {"passed": 2, "failed": 0, "skipped": 1}
    assert (made.name, made.store["size"]) == (file.stem, 0)
    with tarfile.open(fileobj=BytesIO(made.charts["serving"].packed())) as chart:
        assert chart.getnames() == ["gopherwood-serving/Chart.yaml", "gopherwood-serving/templates/all.yaml"]
    jsonschema.validate(json.loads(file.read_text()), json.loads(record.SCHEMA.read_text()))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda site: site.write("new.txt", "x"), "the checkout is not what is committed: new.txt"),
        (lambda site: site.images("a", tasks={"repository": "r", "digest": ""}), "the digest of tasks is not known"),
        (lambda site: site.images("a", tasks={"repository": "r", "digest": "sha256:1"}), "tasks: digest is 'sha256:1'"),
        (lambda site: site.images("a", serving={"digest": digest("a"), "commit": "0" * 40}), "serving is of 0000"),
        (lambda site: site.write("build/images/digests.json", "{}"), "has no image proxy, serving, tasks"),
        (lambda site: site.junit.write_text('{"passed": 9, "failed": 1}'), "1 tests failed"),
        (lambda site: site.junit.write_text('{"passed": 0}'), "no test passed"),
        (lambda site: site.junit.write_text("<testsuite><testcase name='t'><error/></testcase></testsuite>"), ": t"),
        (lambda site: site.junit.unlink(), "cannot be read"),
    ],
)
def test_what_is_not_known_or_not_good_is_no_release(
    site: Deployment, spoil: Callable[[Deployment], Any], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Something uncommitted, an image without a digest or of another commit, a failed test: exit code 2, no file."""
    spoil(site)
    line = ["release", "--tests", str(site.junit), "--checkout", str(site.checkout), "--home", str(site.settings.home)]
    assert cli.main(line) == EXIT_USAGE
    assert says in capsys.readouterr().err
    assert not (site.checkout / "build/releases").exists()


def test_record_that_was_changed_is_refused(site: Deployment) -> None:
    """Other bytes under the name of a record are an integrity error, whatever they say."""
    file = make(site)
    file.write_text(file.read_text().replace(digest("a"), digest("b")))
    with pytest.raises(IntegrityError, match="not the record that was made"):
        record.read(file)


def test_our_reading_of_the_schema_is_the_standards(site: Deployment) -> None:
    """Whatever is taken away from a record or replaced in it, both say yes, or both say no."""
    schema, good = json.loads(record.SCHEMA.read_text()), json.loads(make(site).read_text())
    standard = jsonschema.Draft202012Validator(schema)
    seen = set()
    for way in list(ways(good)):
        for value in (None, "x", 0, -1, True, {}, {"x": 1}, "sha256:" + "0" * 64):
            changed = copy.deepcopy(good)
            place = changed
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = value
            ours = contradiction(changed, schema, "the record") == ""
            assert ours == standard.is_valid(changed), (way, value)
            seen.add(ours)
    assert seen == {True, False}


def ways(value: Any, way: tuple[str, ...] = ()) -> Any:
    """Yield the way to everything in a JSON object."""
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*way, key)
        yield from ways(item, (*way, key))


def test_a_file_that_is_no_record_says_so(tmp_path: Path) -> None:
    """Bad usage names the file and how to make one."""
    with pytest.raises(UsageError, match="is no record of a release: it is no JSON"):
        record.read(Path(__file__))
