"""Writes every dashboard's file."""

from pathlib import Path

from gopherwood_dashboards import render
from gopherwood_dashboards.boards import BOARDS

FOLDER = Path(__file__).resolve().parents[2] / "helm-values/base/dashboards"

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(render(board))
