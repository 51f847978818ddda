"""What a release asks git: is the checkout what is committed, which commit is that, and the files that it has."""

import shutil
import subprocess
from pathlib import Path

from gopherwood.errors import ConfigError, UsageError

MOST_NAMED = 5


def clean_commit(checkout: Path) -> str:
    """Return the commit of the checkout; raises UsageError when there is anything in it that is not committed."""
    changed = _git(checkout, "status", "--porcelain").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:MOST_NAMED])
        more = f" and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
        raise UsageError(
            f"the checkout is not what is committed: {names}{more}",
            hint="a release names the commit that it is of: commit or remove these first",
        )
    return _git(checkout, "rev-parse", "HEAD").strip()


def files(checkout: Path, folder: str) -> list[str]:
    """Return the committed files of a folder, by their paths below the checkout, in order."""
    return sorted(name for name in _git(checkout, "ls-files", "-z", "--", folder).split("\0") if name)


def _git(checkout: Path, *arguments: str) -> str:
    if shutil.which("git") is None:
        raise ConfigError("no git on PATH", hint="a release is made where the project is checked out, by git")
    done = subprocess.run(["git", "-C", checkout, *arguments], capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UsageError(
            f"git does not tell what {checkout.absolute()} is: {said[-1] if said else 'it failed'}",
            hint="name the checkout of the project with --checkout",
        )
    return done.stdout
