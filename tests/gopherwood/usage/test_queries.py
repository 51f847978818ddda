"""The queries of docs/usage.md, each run by DuckDB over files that `usage` made."""

import re
from datetime import date
from pathlib import Path
from threading import Event

import duckdb
import pytest

from fakes import accesslog as fake
from gopherwood import usage
from gopherwood.config import Settings

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "usage.md").read_text()
QUERIES = dict(re.findall(r"^### ([^\n]+)\n.*?```sql\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(home=tmp_path_factory.mktemp("home"), access_log_days=100_000)
    fake.day(settings.access_log_folder)
    usage.run(settings, None, None, top=1, stop=Event())
    return settings.home / "store"


def ask(title: str, store: Path) -> list[tuple[object, ...]]:
    """Run the query below a heading as a person in the store's folder would."""
    return duckdb.connect().execute(QUERIES[title].replace("'usage/", f"'{store}/usage/")).fetchall()


def test_every_query_of_the_page_is_asked() -> None:
    """A query that is added to the page is added here."""
    assert [name for name in QUERIES if name not in ANSWERS] == []
    assert len(QUERIES) == 5


def _wanted(rows: list[tuple[object, ...]]) -> bool:
    return [row[:3] for row in rows] == [("example.com/wanted", "v9.9.9", 9)]


def _slow(rows: list[tuple[object, ...]]) -> bool:
    return rows[0][:3] == ("info", "ok", 6) and 900 <= float(str(rows[0][3])) <= 981


ANSWERS = {
    "The modules downloaded most": lambda rows: rows == [("example.com/m", 60, 1), ("example.com/other", 20, 1)],
    "What was asked for in vain, and still is not there": _wanted,
    "Slow classes of requests": _slow,
    "Who asks": lambda rows: rows[0] == ("go", 73, 67000 + 6000, 17.8),
    "A module's history": lambda rows: (date(2026, 3, 1), "v1.0.0", 62, None, 68) in rows,
}


@pytest.mark.parametrize("title", ANSWERS)
def test_a_query_of_the_page_answers(title: str, store: Path) -> None:
    """It runs, and says what is in the log."""
    rows = ask(title, store)
    assert ANSWERS[title](rows), rows
