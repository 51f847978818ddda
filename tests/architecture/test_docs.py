"""What the documentation says of settings is what the code says.

`python tests/architecture/test_docs.py` writes the table anew.
"""

from dataclasses import fields
from pathlib import Path

from gopherwood.config import PREFIX, Settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
HEAD = "| variable | default | what it is |\n|---|---|---|\n"


def table() -> str:
    """Return the table of all settings, in Markdown."""
    rows = []
    for spec in fields(Settings):
        default = f"`{spec.default}`" if str(spec.default) else ""
        rows.append(f"| `{PREFIX}{spec.name.upper()}` | {default} | {spec.metadata['doc']} |\n")
    return HEAD + "".join(rows)


def test_every_setting_is_documented() -> None:
    """The table of docs/configuration.md is generated from the dataclass, to the letter."""
    text = PAGE.read_text()
    assert text[text.index(HEAD) :] == table()


def test_no_setting_is_invented() -> None:
    """Every GOPHERWOOD_ variable that the page names is one."""
    known = {f"{PREFIX}{spec.name.upper()}" for spec in fields(Settings)}
    words = PAGE.read_text().replace("=", " ").replace("`", " ").split()
    assert {word.strip(".,;:|()") for word in words if word.startswith(PREFIX) and "<" not in word} == known


if __name__ == "__main__":
    text = PAGE.read_text()
    PAGE.write_text(text.partition(HEAD)[0] + table())
