"""The house rules that a tool can check: which way imports point, what may not be written, how large things grow."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOTS = ("dags", "plugins", "tasks", "serving", "images")
SOURCES = sorted(path for root in ROOTS for path in (ROOT / root).rglob("*.py"))
LONGEST_FUNCTION = 79
HEAVY = (
    "alembic",
    "boto3",
    "botocore",
    "cryptography",
    "great_expectations",
    "pandas",
    "rich",
    "sqlalchemy",
    "urllib3",
)
HTTP_LIBRARIES = {"aiohttp", "httpx", "requests", "urllib3"}


def tracked() -> list[Path]:
    """List the files that git tracks, as paths."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def imported(tree: ast.AST) -> set[str]:
    """Collect the first part of every name that a module imports."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_import_contracts_hold() -> None:
    """Dependencies point the way that pyproject.toml's contracts say."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("root", ["dags", "plugins"])
def test_airflow_code_knows_command_lines_only(root: str) -> None:
    """dags/ and plugins/ import no task code."""
    guilty = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / root).rglob("*.py")
        if (names := imported(ast.parse(path.read_text())) & {"gopherwood", "gopherwood_serving", "sqlalchemy"})
    }
    assert guilty == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_and_function_is_documented_and_fits_a_screen(path: Path) -> None:
    """A module and its public functions have docstrings; no function has 80 lines."""
    tree = ast.parse(path.read_text())
    faults = [] if ast.get_docstring(tree) or "versions" in path.parts else ["no module docstring"]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            faults += [f"{node.name} has {length} lines"] if length > LONGEST_FUNCTION else []
    faults += [
        f"{node.name} has no docstring"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and "migrations" not in path.parts
    ]
    assert faults == []


@pytest.mark.parametrize("root", ["tasks", "serving"])
def test_one_http_client(root: str) -> None:
    """What goes out goes through gopherwood.http (docs/adr/0003-http-client.md); object stores bring a client along."""
    guilty = {
        str(path.relative_to(ROOT)): names
        for path in (ROOT / root).rglob("*.py")
        if (names := imported(ast.parse(path.read_text())) & HTTP_LIBRARIES)
    }
    assert guilty == {}


def test_one_broad_except() -> None:
    """Only cli.main catches everything."""
    pattern = re.compile(r"except (Base)?Exception|except:")
    places = [path.relative_to(ROOT).as_posix() for path in SOURCES for _ in pattern.findall(path.read_text())]
    assert places == ["tasks/gopherwood/cli.py"]


def test_no_registry_host_is_written_down() -> None:
    """The upstream comes from the user's own Go configuration, and the lock from the user's own index."""
    registry = re.compile(
        rb"((proxy|index)\.golang|registry\.npmjs|pypi|pythonhosted|deb\.debian|crates|repo1?\.maven)\.(org|io)"
    )
    me = Path(__file__).resolve()
    assert [path for path in tracked() if path.resolve() != me and registry.search(path.read_bytes())] == []


def test_lock_holds_exact_versions_and_hashes() -> None:
    """Each requirement of the lock is pinned and hashed, and names no host."""
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert [
        block for block in blocks if not re.match(r"[a-z0-9._\[\],-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", block, re.S)
    ] == []
    assert "://" not in text


def test_command_line_starts_light() -> None:
    """Building the parser imports none of the heavy libraries: a pod's start is paid on every task."""
    code = f"import sys, gopherwood.cli as c; c.build_parser(); print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
