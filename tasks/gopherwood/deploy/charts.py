"""Packing the charts of a checkout as helm does, so that equal files give equal bytes."""

import io
import re
import tarfile
from pathlib import Path

from gopherwood.deploy import git
from gopherwood.deploy.record import Chart
from gopherwood.errors import UsageError

FOLDERS = {"serving": "serving/chart", "tasks": "tasks/chart"}
RELEASES = {"serving": "gopherwood-serving", "tasks": "gopherwood"}
"""What helm calls each chart where it is installed (docs/kubernetes.md). Serving is first: it migrates the catalog."""


def pack(checkout: Path, folder: str) -> Chart:
    """Pack the committed files of a chart; raises UsageError when it is none."""
    names = git.files(checkout, folder)
    if f"{folder}/Chart.yaml" not in names:
        raise UsageError(f"{checkout / folder} is no chart", hint="name the checkout of the project with --checkout")
    about = (checkout / folder / "Chart.yaml").read_text()
    name, version = (_field(about, key) for key in ("name", "version"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in names:
            data = (checkout / path).read_bytes()
            member = tarfile.TarInfo(f"{name}/{path.removeprefix(f'{folder}/')}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return Chart(name, version, buffer.getvalue())


def _field(about: str, key: str) -> str:
    match = re.search(rf"^{key}: *[\"']?([^\"'\s]+)", about, re.MULTILINE)
    if match is None:
        raise UsageError(f"a Chart.yaml has no {key}")
    return match[1]
