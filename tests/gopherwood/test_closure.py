"""The module graph: what it reads and selects, against the real go command on made-up worlds of modules."""

import json
import os
import random
import subprocess

import pytest

from gopherwood import closure, module, toolchain
from gopherwood.errors import InvalidGoModError
from gopherwood.module import ModuleVersion


def mv(text):
    return ModuleVersion(*text.split("@"))


def world(**modules):
    """Make go.mod files from `a_v1_0_0="go 1.17; b@v1.0.0"`."""
    made = {}
    for name, says in modules.items():
        path, version = name.split("_", 1)
        made[ModuleVersion(f"x.org/{path}", version.replace("_", "."))] = go_mod(f"x.org/{path}", says)
    return made


def go_mod(path, says):
    lines = [f"module {path}"]
    for part in filter(None, (part.strip() for part in says.split(";"))):
        lines.append(part if " " in part else "require x.org/" + part.replace("@", " "))
    return ("\n".join(lines) + "\n").encode()


def names(versions):
    return sorted(str(version).removeprefix("x.org/") for version in versions)


def test_pruning_stops_at_modules_that_list_all_they_need():
    """Below a requirement with go 1.17 nothing is read; below an older one everything is."""
    mods = world(
        main_v1_0_0="go 1.17; new@v1.0.0; old@v1.0.0",
        new_v1_0_0="go 1.17; unread@v1.0.0",
        old_v1_0_0="go 1.16; deep@v1.0.0",
        deep_v1_0_0="go 1.20; deeper@v1.0.0",
        deeper_v1_0_0="",
        unread_v1_0_0="",
    )
    got = closure.Loader(mods.get).closure(mv("x.org/main@v1.0.0"))
    assert names(got.mods) == ["deep@v1.0.0", "deeper@v1.0.0", "main@v1.0.0", "new@v1.0.0", "old@v1.0.0"]
    assert names(got.build_list) == ["deep@v1.0.0", "deeper@v1.0.0", "new@v1.0.0", "old@v1.0.0", "unread@v1.0.0"]


def test_old_main_module_reads_everything():
    """A main module without a go line prunes nothing."""
    mods = world(main_v1_0_0="a@v1.0.0", a_v1_0_0="go 1.20; b@v1.0.0", b_v1_0_0="go 1.20; c@v1.0.0", c_v1_0_0="")
    assert len(closure.Loader(mods.get).closure(mv("x.org/main@v1.0.0")).mods) == 4


def test_raised_requirement_is_read_at_its_selected_version():
    """Where a dependency selects a higher version, that one's go.mod is needed, and only its zip."""
    mods = world(main_v1_0_0="go 1.17; a@v1.0.0; b@v1.0.0", a_v1_0_0="go 1.17; b@v1.1.0", b_v1_0_0="", b_v1_1_0="")
    got = closure.Loader(mods.get).closure(mv("x.org/main@v1.0.0"))
    assert names(got.mods - got.zips) == ["b@v1.0.0"]
    assert names(got.zips) == ["a@v1.0.0", "b@v1.1.0", "main@v1.0.0"]


def test_missing_files_are_found_round_after_round():
    """Each round names what is missing as far as is known; when all is had the release is complete."""
    mods = world(main_v1_0_0="a@v1.0.0", a_v1_0_0="b@v1.0.0", b_v1_0_0="")
    had = {mv("x.org/main@v1.0.0"): mods[mv("x.org/main@v1.0.0")]}
    loader, rounds = closure.Loader(had.get), []
    while missing := loader.report([mv("x.org/main@v1.0.0")]).missing:
        rounds.append(names(missing))
        had |= {one: mods[one] for one in missing}
    assert rounds == [["a@v1.0.0"], ["b@v1.0.0"]]
    assert loader.report([mv("x.org/main@v1.0.0")]).complete == 1


def test_replace_and_exclude_count_in_the_main_module_only():
    """A release's own replacements are needed beside the originals; a dependency's are not even looked at."""
    mods = world(
        main_v1_0_0="a@v1.0.0; b@v1.0.0; replace x.org/a => x.org/fork v1.0.0; replace x.org/b => ./b",
        a_v1_0_0="",
        b_v1_0_0="replace x.org/c => x.org/never v1.0.0; c@v1.0.0",
        c_v1_0_0="",
        fork_v1_0_0="",
    )
    got = closure.Loader(mods.get).closure(mv("x.org/main@v1.0.0"))
    assert names(got.mods) == ["a@v1.0.0", "b@v1.0.0", "c@v1.0.0", "fork@v1.0.0", "main@v1.0.0"]
    assert got.complete


@pytest.mark.parametrize(
    ("text", "why"), [(b"module x.org/b\n", "declares its path as"), (b"", "missing module"), (b"require (", "unterm")]
)
def test_unusable_requirements_are_reported_and_not_missing(text, why):
    """What no fetch can mend is told apart from what is not had."""
    main = mv("x.org/main@v1.0.0")
    had = {main: go_mod("x.org/main", "a@v1.0.0"), mv("x.org/a@v1.0.0"): text}
    got = closure.Loader(had.get).closure(main)
    assert why in got.broken[mv("x.org/a@v1.0.0")]
    assert got.complete


def test_graph_larger_than_the_limit_is_given_up():
    """A release whose graph has no end in sight is reported, and bounded."""
    endless = lambda at: go_mod(at.path, f"{at.path.removeprefix('x.org/')}x@v1.0.0")  # noqa: E731
    got = closure.Loader(endless, max_nodes=50).closure(mv("x.org/a@v1.0.0"))
    assert got.truncated
    assert len(got.mods) <= 52


def test_unparsable_main_module_is_an_error():
    """A build list of a broken go.mod does not exist."""
    with pytest.raises(InvalidGoModError):
        closure.Loader({}.get).build_list(b"nonsense here\n")


def test_release_not_had_is_missing_itself():
    """The closure of a release whose go.mod is not had is that it is missing."""
    assert closure.Loader({}.get).closure(mv("x.org/a@v1.0.0")).missing == {mv("x.org/a@v1.0.0")}


# --- against the real go command


def random_world(rng):
    """Make up modules that require each other at random, cycles included, and a main module above them."""
    paths = [f"x.org/m{n}" for n in range(rng.randrange(3, 10))]
    versions = [ModuleVersion(path, f"v1.{n}.0") for path in paths for n in range(rng.randrange(1, 4))]

    def requires(count):
        return "; ".join(f"require {one.path} {one.version}" for one in rng.sample(versions, min(len(versions), count)))

    goes = ["", "go 1.16", "go 1.17", "go 1.17", "go 1.20", "go 1.21.0"]
    mods = {one: go_mod(one.path, f"{rng.choice(goes)}; {requires(rng.randrange(4))}") for one in versions}
    says = f"{rng.choice(goes[1:])}; {requires(rng.randrange(1, 5))}"
    a, b, c = (rng.choice(versions) for _ in range(3))
    says += f"; exclude {a.path} {a.version}" if rng.random() < 0.3 else ""
    says += f"; replace {b.path} {rng.choice([b.version, ''])} => {c.path} {c.version}" if rng.random() < 0.3 else ""
    return mods, go_mod("x.org/main", says)


def write_proxy(mods, root):
    for one, data in mods.items():
        folder = root / one.path / "@v"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{one.version}.mod").write_bytes(data)
        (folder / f"{one.version}.info").write_text(json.dumps({"Version": one.version}))


def run_go(folder, cache, proxy, *args):
    env = os.environ | {
        "GOPROXY": proxy.as_uri(), "GOSUMDB": "off", "GOFLAGS": "-mod=mod -modcacherw", "GOTOOLCHAIN": "local",
        "GOMODCACHE": str(cache), "GOWORK": "off", "GOENV": "off", "GONOSUMDB": "*",
    }  # fmt: skip
    return subprocess.run(
        [toolchain.find_go(), *args], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("seed", range(24))
def test_graph_is_the_go_commands(seed, tmp_path):
    """In a random world we select what `go list -m all` lists and read what `go mod graph` reads."""
    mods, main = random_world(random.Random(seed))
    write_proxy(mods, tmp_path / "proxy")
    folder = tmp_path / "main"
    folder.mkdir()
    (folder / "go.mod").write_bytes(main)
    graph = run_go(folder, tmp_path / "cache", tmp_path / "proxy", "mod", "graph")
    downloads = tmp_path / "cache/cache/download"
    read = {path.relative_to(downloads) for path in downloads.rglob("*.mod")}
    listed = run_go(folder, tmp_path / "cache", tmp_path / "proxy", "list", "-m", "-f", "{{.Path}}@{{.Version}}", "all")

    release = mv("x.org/main@v1.0.0")
    ours = closure.Loader((mods | {release: main}).get).closure(release)
    own = closure.Loader(mods.get)
    if ours.broken:  # a replacement that is another module's: go refuses as well
        assert graph.returncode != 0
        return
    assert names(own.build_list(main)) == sorted(
        line.removeprefix("x.org/") for line in listed.stdout.splitlines() if not line.startswith("x.org/main@")
    )
    keys = {ModuleVersion(str(p.parent.parent), p.stem) for p in read}
    assert keys <= ours.mods
    if b"replace" not in main and b"exclude" not in main:
        assert keys == ours.mods - {release}


def test_escaped_paths_survive():
    """Paths with upper case are module paths here, not escaped ones."""
    big = ModuleVersion("x.org/Big", "v1.0.0")
    had = {big: go_mod("x.org/Big", "small@v1.0.0")}
    assert names(closure.Loader(had.get).closure(big).missing) == ["small@v1.0.0"]
    assert module.escape_path(big.path) == "x.org/!big"


def test_what_is_selected_and_never_read_is_asked_for_in_the_end():
    """`go mod tidy` reads the go.mod of a selected version that no build reads; what that requires is left alone."""
    mods = world(main_v1_0_0="go 1.21; a@v1.0.0", a_v1_0_0="go 1.21; b@v1.0.0", b_v1_0_0="go 1.21; c@v1.0.0")
    had = {mv("x.org/main@v1.0.0"), mv("x.org/a@v1.0.0")}
    loader = closure.Loader(lambda asked: mods.get(asked) if asked in had else None)
    assert names(loader.closure(mv("x.org/main@v1.0.0")).missing) == ["b@v1.0.0"]
    had.add(mv("x.org/b@v1.0.0"))
    assert loader.closure(mv("x.org/main@v1.0.0")).complete
