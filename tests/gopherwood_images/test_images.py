"""What goes into the images, and the archives that we write ourselves. That they run is seen in tests/cluster."""

import json
import py_compile
import re
import tarfile
from pathlib import Path

import pytest

from gopherwood_images import bytecode, lock, oci, release, sbom, tree
from gopherwood_images.recipes import LIBRARIES, RECIPES, ROOT, USER, Recipe

by_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)


def stage(recipe: Recipe) -> str:
    """Return the lines of a recipe's stage in its Dockerfile."""
    stages = re.split(r"^FROM .* AS ", (ROOT / recipe.dockerfile).read_text(), flags=re.MULTILINE)
    return next(text for text in stages if text.startswith(f"{recipe.name}\n"))


@by_recipe
def test_dockerfile_and_archive_start_alike(recipe: Recipe) -> None:
    """User, command, stop signal and environment are the recipe's in the Dockerfile too."""
    lines = stage(recipe)
    assert f"USER {USER}\n" in lines
    assert f"ENTRYPOINT {json.dumps(list(recipe.command))}\n" in lines
    assert ("STOPSIGNAL SIGQUIT" in lines) == (recipe.stop_signal == "SIGQUIT")
    assert (f"PYTHONPATH=/{LIBRARIES}" in lines) == recipe.python
    assert all(f"{name}={value}" in lines for name, value in recipe.environment.items())


@by_recipe
def test_nothing_runs_in_a_build(recipe: Recipe) -> None:
    """So the same files are in an image whoever builds it, and a base needs no shell."""
    assert "RUN" not in stage(recipe)


def test_tasks_carry_no_airflow_and_airflow_no_task_code() -> None:
    """Each image has the wheels of its own work, and no other's."""
    tasks, serving = (lock.needed(RECIPES[name].extras) for name in ("tasks", "serving"))
    airflow = lock.needed(RECIPES["airflow"].extras, core=False)
    assert {"sqlalchemy", "psycopg-binary", "boto3"} <= tasks
    assert not {"apache-airflow", "granian", "pytest", "gopherwood"} & tasks
    assert {"granian", "uvloop", "starlette"} <= serving
    assert {"apache-airflow-core", "apache-airflow-providers-cncf-kubernetes"} <= airflow
    assert not {"gopherwood", "isal", "granian"} & airflow


@by_recipe
def test_everything_in_an_image_is_pinned(recipe: Recipe) -> None:
    """The lock has a version and a hash for each name."""
    names = lock.needed(recipe.extras, core=recipe.ours) | set(recipe.more)
    assert set(lock.versions(names)) == names
    assert lock.pins(names).count("--hash=sha256:") >= len(names)


def test_bill_of_materials_is_that_of_the_lock() -> None:
    """CycloneDX with a purl for each distribution; the same content gives the same text."""
    versions = lock.versions(lock.needed(("postgres",)))
    text = sbom.render("gopherwood-tasks", "1.0.0", versions)
    listed = json.loads(text)
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.6")
    assert {each["purl"] for each in listed["components"]} == {f"pkg:pypi/{n}@{v}" for n, v in versions.items()}
    assert sbom.render("gopherwood-tasks", "1.0.0", versions) == text


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Write an image archive with nothing in it."""
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "config": {}}
    config["config"] = {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}
    manifest = {"schemaVersion": 2, "mediaType": oci.MANIFEST, "config": {"mediaType": "x"}, "layers": []}
    oci.write(oci.Image({}, manifest, config), tmp_path / "base.tar", "localhost/base:1")
    return tmp_path / "base.tar"


def test_bytecode_that_does_not_fit_its_source_is_made_anew(base: Path, tmp_path: Path) -> None:
    """A library that was dated anew would be compiled at every start; what is valid already is left alone."""
    library = tmp_path / "tree/usr/lib/python3.11"
    library.mkdir(parents=True)
    (library / "old.py").write_text("NAME = 'old'\n")
    (library / "held.py").write_text("NAME = 'held'\n")
    py_compile.compile(str(library / "old.py"))  # its time is taken off in the archive
    py_compile.compile(str(library / "held.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    built(base, tmp_path / "python.tar", tmp_path / "tree")
    bytecode.refresh(tmp_path / "python.tar", tmp_path / "layer", "/usr/bin/python3", tree.compile_below)
    (made,) = (path for path in (tmp_path / "layer").rglob("*") if path.is_file())
    assert made == tmp_path / "layer/usr/lib/python3.11/__pycache__/old.cpython-311.pyc"
    assert made.read_bytes()[4:8] == b"\x01\0\0\0"  # by hash, unchecked (PEP 552)


def built(base: Path, out: Path, folder: Path) -> str:
    """Put a folder on a base and return the digest."""
    image = oci.read(base)
    image.annotations = {"gopherwood.sbom": "/x"}
    image.add_layer(folder)
    oci.set_up(image, user=USER, command=["program"], environment={"A": "1"}, stop_signal="SIGQUIT")
    return oci.write(image, out, "localhost/x:1")


def test_archive_has_the_files_and_how_they_start(base: Path, tmp_path: Path) -> None:
    """A layer of ours is on the base's; nobody is root, and the base's command is gone."""
    (tmp_path / "tree/bin").mkdir(parents=True)
    (tmp_path / "tree/bin/program").write_text("hello")
    built(base, tmp_path / "out.tar", tmp_path / "tree")
    image = oci.read(tmp_path / "out.tar")
    config = image.config["config"]
    assert (config["User"], config["Entrypoint"], config.get("Cmd")) == ("65532:65532", ["program"], None)
    assert config["Env"] == ["PATH=/bin", "A=1"]
    assert config["Labels"] == image.manifest["annotations"] == {"gopherwood.sbom": "/x"}
    assert len(image.manifest["layers"]) == len(image.config["rootfs"]["diff_ids"]) == 1


def test_same_files_have_the_same_digest(base: Path, tmp_path: Path) -> None:
    """Owners and times do not count, contents do."""
    trees = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(trees):
        folder.mkdir()
        (folder / "file").write_text("hello")
        (folder / "file").touch()
        (folder / "file").chmod(0o640 if number else 0o644)
    digests = [built(base, tmp_path / "out.tar", tree) for tree in trees]
    (trees[0] / "file").write_text("other")
    assert digests[0] == digests[1] != built(base, tmp_path / "out.tar", trees[0])


def test_archive_names_the_image_by_tag_and_by_digest(base: Path, tmp_path: Path) -> None:
    """A node that imports it knows it by both, so manifests may pin the digest without a registry."""
    (tmp_path / "tree").mkdir()
    digest = built(base, tmp_path / "out.tar", tmp_path / "tree")
    with tarfile.open(tmp_path / "out.tar") as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        index = json.loads(file.read())
    assert [each["digest"] for each in index["manifests"]] == [digest, digest]
    names = [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]]
    assert names == ["localhost/x:1", f"localhost/x@{digest}"]


def test_lock_pins_digests_and_the_charts_they_go_with() -> None:
    """Where others build on it, a lock has digests and a commit; on a machine of one's own, tags."""
    images = {"tasks": {"repository": "localhost/gopherwood-tasks", "tag": "1", "digest": "sha256:" + "0" * 64}}
    pinned, by_tag = release.lock(images, by_tag=False), release.lock(images, by_tag=True)
    assert pinned["images"] == images
    assert set(pinned["release"]["charts"]) == {"serving", "tasks"}
    assert re.match("[0-9a-f]{40}", pinned["release"]["commit"])
    assert (by_tag["images"]["tasks"]["digest"], by_tag["release"]["commit"]) == ("", "")
