"""The page of the handbook says what the suites say.

`PYTHONPATH=tasks python FILE` writes its tables anew.
"""

from pathlib import Path

from gopherwood.quality import datasets

PAGE = Path(__file__).resolve().parents[3] / "docs" / "quality.md"
BEGIN = "## The rules\n"


def rules() -> str:
    """Return a table of rules for each data set, in Markdown."""
    text = BEGIN
    for data_set in datasets.all_of_them().values():
        text += f"\n### {data_set.name}\n\n{data_set.says}\n\n| rule | severity | why |\n|---|---|---|\n"
        text += "".join(f"| `{rule.name}` | {rule.severity} | {rule.why} |\n" for rule in data_set.rules)
    return text


def test_the_page_has_every_rule() -> None:
    """docs/quality.md is generated from the suites, to the letter."""
    text = PAGE.read_text()
    assert text[text.index(BEGIN) :] == rules()


if __name__ == "__main__":
    head = PAGE.read_text().partition(BEGIN)[0]
    PAGE.write_text(head + rules())
