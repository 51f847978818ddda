"""The lock of a release, for an environment: what `make images` built, the charts' versions, the commit.

    python -m gopherwood_images.release ENVIRONMENT ...

It is a values file of the charts itself, in JSON, given to helm as the last one; so what is pinned is what runs. It is
the only file below helm-values/ that a promotion changes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from gopherwood_images.making import revision
from gopherwood_images.recipes import ROOT

CHARTS = {"serving": ROOT / "serving/chart", "tasks": ROOT / "tasks/chart"}
ENVIRONMENTS = json.loads((ROOT / "helm-values/environments.json").read_text())
BY_TAG = frozenset(each["name"] for each in ENVIRONMENTS if each["tags"])
"""Environments whose images are made where they run, so that their digests are not known beforehand."""


def lock(images: dict[str, dict[str, str]], *, by_tag: bool) -> dict[str, Any]:
    """Return a lock; `images` is what `make images` wrote to digests.json."""
    named = {name: {key: image[key] for key in ("repository", "tag", "digest")} for name, image in images.items()}
    pinned = {name: image | {"digest": ""} if by_tag else image for name, image in named.items()}
    charts = {name: _version(folder) for name, folder in CHARTS.items()}
    return {"images": pinned, "release": {"charts": charts, "commit": "" if by_tag else revision()}}


def _version(chart: Path) -> str:
    match = re.search(r"^version: (\S+)$", (chart / "Chart.yaml").read_text(), re.MULTILINE)
    if match is None:
        raise LookupError(f"{chart}/Chart.yaml has no version")
    return match[1]


def main() -> int:
    """Write the locks of the environments that are named."""
    if revision().endswith("-dirty") and set(sys.argv[1:]) - BY_TAG:
        sys.exit("the checkout is not what is committed: a lock names the commit that its images are of")
    images = json.loads((ROOT / "build/images/digests.json").read_text())
    # All of them first: the first one that is written makes the checkout another than what is committed.
    locks = {name: lock(images, by_tag=name in BY_TAG) for name in sys.argv[1:]}
    for name, pinned in locks.items():
        file = ROOT / "helm-values" / name / "release.lock"
        file.write_text(json.dumps(pinned, indent=2, sort_keys=True) + "\n")
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
