"""The queries of docs/logs.md, run by DuckDB on the lines of real commands."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = pytest.mark.xdist_group("logs")
PAGE = Path(__file__).resolve().parents[3] / "docs/logs.md"
QUERIES = dict(re.findall(r"^### (.+?)\n.*?```sql\n(.+?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def ask(lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that answers a query by its title."""
    file = tmp_path_factory.mktemp("logs") / "lines.jsonl"
    file.write_text("\n".join(lines))
    database = duckdb.connect()
    how = "format = 'newline_delimited', union_by_name = true"
    database.execute(f"CREATE TABLE logs AS FROM read_json('{file}', {how})")  # as the page says
    return lambda title: database.execute(QUERIES[title]).fetchall()


def test_what_went_wrong_is_found_with_what_to_do(ask: Any) -> None:
    """The last first: a crash, a usage error with its hint, a catalog that is not there, a store that is damaged."""
    rows = ask("What went wrong last")
    assert [row[3] for row in rows] == ["failed", "usage", "failed", "integrity"]
    assert "127.0.0.1:1" in rows[2][4]


def test_a_run_is_told_in_order(ask: Any) -> None:
    """Only of this run, each task with its end."""
    rows = ask("A run, from its beginning to its end")
    assert [row[1] for row in rows if row[8] == "done"][:3] == ["fetch", "validate", "publish"]


def test_a_module_is_followed(ask: Any) -> None:
    """Why it was refused, and in which run."""
    (row,) = ask("A module's story")
    assert (row[1], row[2], row[3], row[4]) == ("validate", "rejected", "v1.0.0", "invalid-go-mod")
    assert ask("Why versions are refused")[0][:3] == ("invalid-go-mod", 1, 1)


def test_tasks_are_timed_and_crashes_found(ask: Any) -> None:
    """How long, how many tries; and the traceback of what nobody foresaw."""
    tasks = {row[0]: row[2:4] for row in ask("Which tasks take long, and which are tried again")}
    assert (tasks["fetch"], tasks["publish"]) == ((1, 1), (1, 3))
    ((_, verb, traceback),) = ask("Crashes")
    assert (verb, "ZeroDivisionError" in traceback) == ("status", True)


def test_each_query_is_run() -> None:
    """A query that the page gets one day wants a test."""
    used = set(re.findall(r'ask\("(.+?)"\)', Path(__file__).read_text()))
    assert used == set(QUERIES)
