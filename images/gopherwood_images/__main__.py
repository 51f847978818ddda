"""The command line; see the package's docstring."""

import argparse
import json
import os
import sys
from pathlib import Path

from gopherwood_images import builders, tree
from gopherwood_images.making import PYTHON_IN_BASE, make, revision, version
from gopherwood_images.recipes import RECIPES, ROOT, Recipe

BASES = Path(os.environ.get("KUBE_HOME", Path.home() / ".cache" / "kube-for-tests")) / "images"
"""Where the recipe of the test cluster leaves its base archives."""

FLAGS = {"python": "--base", "vcs": "--vcs-base", "nginx": "--nginx-base"}
"""The flag that names the base of each kind."""


def main() -> int:
    """Build the images that are named, print their digests, and write them to `digests.json`."""
    options = _parser().parse_args()
    if unknown := set(options.names) - set(RECIPES):
        sys.exit(f"no image is called {', '.join(sorted(unknown))}: there are {', '.join(RECIPES)}")
    out = options.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    file = out / "digests.json"
    pinned = json.loads(file.read_text()) if file.exists() else {}
    builder = options.builder or builders.choose()
    for name in options.names or RECIPES:
        recipe = RECIPES[name]
        if recipe.base == "vcs" and not options.names and not _given(recipe, options):
            print(f"{name:8} left out: name an image with Python and git by --vcs-base")
            continue
        if missing := [each for each in recipe.found if not options.names and tree.where(each) is None]:
            print(f"{name:8} left out: no {', '.join(missing)} on PATH")
            continue
        how = {"tag": options.tag, "builder": builder, "registry": options.registry, "python": options.python}
        made = make(recipe, _base(recipe, options, builder), out, **how)
        pinned[name] = made | {"commit": revision()}
        size = tree.size(out / name) >> 20
        print(f"{name:8} {made['repository']}@{made['digest']}  {size} MiB on the base  ({builder})", flush=True)
        file.write_text(json.dumps(pinned, indent=2, sort_keys=True) + "\n")
    print(f"digests: {file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gopherwood_images", description="Build the container images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(RECIPES)}; default: all")
    parser.add_argument("--base", default="", help="image, or its archive, with Python 3.11; best by digest")
    parser.add_argument("--nginx-base", default="", help="image, or its archive, with nginx; best by digest")
    parser.add_argument(
        "--vcs-base", default="", help="image, or its archive, with Python 3.11 and git; best by digest"
    )
    parser.add_argument("--builder", choices=builders.BUILDERS, help="default: docker or buildah, else an archive")
    parser.add_argument("--registry", default="localhost", help="what names of images begin with (default: localhost)")
    parser.add_argument("--tag", default=version(), help="default: the version")
    parser.add_argument("--python", default=PYTHON_IN_BASE, help=f"the interpreter in the base ({PYTHON_IN_BASE})")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "images", help="default: build/images")
    return parser


def _base(recipe: Recipe, options: argparse.Namespace, builder: str) -> str:
    given = _given(recipe, options)
    if not given or (builder == "archive" and not Path(given).is_file()):
        flag, archive = FLAGS[recipe.base], " archive" if builder == "archive" else ""
        sys.exit(f"no base {given or _left(recipe)}: name an image{archive} with {flag}")
    return given


def _given(recipe: Recipe, options: argparse.Namespace) -> str:
    """Return the base that is named for a recipe, else the archive that was left for it, else nothing."""
    named: str = getattr(options, FLAGS[recipe.base].strip("-").replace("-", "_"))
    return named or (str(_left(recipe)) if _left(recipe).is_file() else "")


def _left(recipe: Recipe) -> Path:
    return BASES / f"{recipe.base}.tar"


if __name__ == "__main__":
    sys.exit(main())
