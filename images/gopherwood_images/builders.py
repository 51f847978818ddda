"""Three ways from a tree to an image: docker, buildah, an archive that we write ourselves; the files are the same."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gopherwood_images import oci
from gopherwood_images.recipes import LIBRARIES, ROOT, USER, Recipe

BUILDERS = ("docker", "buildah", "archive")


@dataclass(frozen=True, slots=True)
class Order:
    """One image to be built: the recipe, its two folders, its base, name, labels, and where the archive goes."""

    recipe: Recipe
    context: Path
    """The folder that holds the folders `dependencies` and `ours`."""
    base: str
    name: str
    labels: dict[str, str]
    out: Path


def choose() -> str:
    """Return the builder that works on this machine."""
    if shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True).returncode == 0:
        return "docker"
    return "buildah" if shutil.which("buildah") else "archive"


def build(builder: str, order: Order) -> str:
    """Build an image; return its digest."""
    return {"docker": _docker, "buildah": _buildah, "archive": _archive}[builder](order)


def _archive(order: Order) -> str:
    image = oci.read(Path(order.base))
    for layer in ("dependencies", "ours"):
        image.add_layer(order.context / layer)
    image.annotations = order.labels
    recipe = order.recipe
    environment = {"PYTHONPATH": f"/{LIBRARIES}"} | recipe.environment if recipe.python else {}
    oci.set_up(image, user=USER, command=recipe.command, environment=environment, stop_signal=recipe.stop_signal)
    return oci.write(image, order.out, order.name)


def _docker(order: Order) -> str:
    # An engine's own image id; the digest to pin is the one that a push prints.
    done = subprocess.run(
        ["docker", "build", "--quiet", *_arguments(order)], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def _buildah(order: Order) -> str:
    base = order.base
    if Path(base).is_file():
        command = ["buildah", "pull", "--quiet", f"oci-archive:{base}"]
        base = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    local = Order(order.recipe, order.context, base, order.name, order.labels, order.out)
    once = ["--isolation", "chroot", "--timestamp", "0", "--format", "oci"]
    subprocess.run(["buildah", "bud", "--quiet", *once, *_arguments(local)], check=True, stdout=subprocess.DEVNULL)
    digest = order.out.with_suffix(".digest")
    target = f"oci-archive:{order.out}:{order.name}"
    subprocess.run(["buildah", "push", "--quiet", "--digestfile", digest, order.name, target], check=True)
    return digest.read_text().strip()


def _arguments(order: Order) -> list[str]:
    labels = [f"--label={name}={value}" for name, value in order.labels.items()]
    return [
        *("--file", str(ROOT / order.recipe.dockerfile), "--target", order.recipe.name),
        *(f"--build-arg=BASE={order.base}", f"--tag={order.name}", *labels, str(order.context)),
    ]
