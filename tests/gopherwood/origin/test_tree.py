"""The files of a module at a commit: the same h1 as `go` itself makes from the same repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from fakes.gitremote import GitRemote
from gopherwood import toolchain
from gopherwood.module import ModuleVersion
from gopherwood.origin import Git, Remote, compare, derive, files_at, published
from gopherwood.origin.tree import File, Files, is_vendored

ROOT = "github.com/acme/m"
TREES: dict[str, tuple[ModuleVersion, dict[str, str | bytes]]] = {
    "plain": (
        ModuleVersion(ROOT, "v1.0.0"),
        {"go.mod": f"module {ROOT}\n", "m.go": "package m\n", "LICENSE": "mine\n"},
    ),
    "no go.mod": (ModuleVersion(ROOT, "v1.0.0"), {"m.go": "package m\n"}),
    "incompatible": (ModuleVersion(ROOT, "v2.0.0+incompatible"), {"m.go": "package m\n"}),
    "folder": (
        ModuleVersion(f"{ROOT}/sub/dir", "v1.0.0"),
        {"LICENSE": "top\n", "sub/dir/go.mod": f"module {ROOT}/sub/dir\n", "sub/dir/a.go": "package a\n", "b.go": "x"},
    ),
    "folder with its own licence": (
        ModuleVersion(f"{ROOT}/sub", "v1.0.0"),
        {"LICENSE": "top\n", "sub/LICENSE": "own\n", "sub/go.mod": f"module {ROOT}/sub\n"},
    ),
    "v2 on a branch": (ModuleVersion(f"{ROOT}/v2", "v2.0.0"), {"go.mod": f"module {ROOT}/v2\n", "m.go": "package m\n"}),
    "v2 in a folder": (
        ModuleVersion(f"{ROOT}/v2", "v2.0.0"),
        {
            "go.mod": f"module {ROOT}\n",
            "LICENSE": "top\n",
            "v2/go.mod": f"module {ROOT}/v2\n",
            "v2/m.go": "package m\n",
        },
    ),
    "nested and vendored": (
        ModuleVersion(ROOT, "v1.0.0"),
        {
            "go.mod": f"module {ROOT}\n\ngo 1.20\n",
            "m.go": "package m\n",
            "nested/go.mod": f"module {ROOT}/nested\n",
            "nested/n.go": "package n\n",
            "nested/deep/d.go": "package d\n",
            "vendor/modules.txt": "# x\n",
            "vendor/x.example/y/y.go": "package y\n",
            "p/vendor/vendor.go": "package vendor\n",
            "p/vendor/z/z.go": "package z\n",
        },
    ),
    "vendored since 1.24": (
        ModuleVersion(ROOT, "v1.0.0"),
        {
            "go.mod": f"module {ROOT}\n\ngo 1.24\n",
            "vendor/modules.txt": "# x\n",
            "p/vendor/vendor.go": "package vendor\n",
            "p/vendor/z/z.go": "package z\n",
        },
    ),
    "attributes": (
        ModuleVersion(ROOT, "v1.0.0"),
        {
            "go.mod": f"module {ROOT}\n",
            ".gitattributes": "*.txt text eol=crlf\nhidden export-ignore\nid.go export-subst\n",
            "a.txt": "one\ntwo\n",
            "hidden": "seen all the same\n",
            "id.go": "// $Format:%H$\n",
            "bin": bytes(range(256)),
            "a space.md": "x\n",
        },
    ),
}


def go_h1(mv: ModuleVersion, folder: Path) -> str:
    """Return the h1 of what `go` makes of a version, straight from version control."""
    environ = os.environ | {
        "GOPROXY": "direct",
        "GONOSUMDB": "*",
        "GOFLAGS": "-modcacherw",
        "GONOPROXY": "",
        "GOVCS": "*:all",
    }
    environ |= {"GOMODCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local", "GOWORK": "off", "GOSUMDB": "off"}
    command = [str(toolchain.find_go()), "mod", "download", "-json", str(mv)]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["Sum"])


@pytest.mark.parametrize("name", TREES)
def test_h1_is_that_of_go(name: str, served: GitRemote, git: Git, remote: Remote, tmp_path: Path) -> None:
    """Folder, licence, nested modules, vendored files and attributes count as they do for `go`."""
    mv, files = TREES[name]
    acme = served.repository(ROOT)
    (acme.tree / "link").symlink_to("elsewhere")
    origin = derive(mv)
    assert origin is not None
    made = acme.commit(files, tag=origin.ref.removeprefix("refs/tags/"))
    with files_at(git, remote, remote.refs(origin.url), origin.ref, mv, origin.subdir) as (commit, found):
        assert commit == made
        assert found.h1 == go_h1(mv, tmp_path)


def test_what_the_zip_of_go_holds_is_what_we_read(served: GitRemote, git: Git, remote: Remote, tmp_path: Path) -> None:
    """The published side of a comparison is read from a zip that `go` made: no difference, file by file."""
    mv, files = TREES["nested and vendored"]
    served.repository(ROOT).commit(files, tag="v1.0.0")
    go_h1(mv, tmp_path)
    old = published(mv, tmp_path / "cache" / "cache" / "download" / ROOT / "@v" / "v1.0.0.zip")
    with files_at(git, remote, remote.refs(f"https://{ROOT}"), "refs/tags/v1.0.0", mv, "") as (_, now):
        assert not compare(git, old, now)
        assert old.h1 == now.h1


def as_files(contents: dict[str, bytes]) -> Files:
    return Files({name: File(len(data), str(hash(data))) for name, data in contents.items()}, "", contents.__getitem__)


def test_differences_are_named_and_shown(git: Git) -> None:
    """Added, removed and changed files, and the lines that changed."""
    old = as_files({"same": b"x\n", "gone.go": b"old\n", "m.go": b"one\ntwo\n", "b": b"\0\1"})
    new = as_files({"same": b"x\n", "new.go": b"new\n", "m.go": b"one\nTWO\n", "b": b"\0\2"})
    found = compare(git, old, new)
    assert found.counts() == {"added": 1, "removed": 1, "changed": 2}
    assert "-two\n+TWO\n" in found.diff
    assert "+new\n" in found.diff
    assert "-old\n" in found.diff
    assert "Binary files published/b and now/b differ" in found.diff
    record = json.loads(found.record({"module": "x@v1"}))
    assert [(line["name"], line["how"]) for line in record["files"]] == [
        ("b", "changed"),
        ("gone.go", "removed"),
        ("m.go", "changed"),
        ("new.go", "added"),
    ]


def test_diff_is_bounded(git: Git) -> None:
    """Whoever moves a tag chooses the files, but not how much of them we keep, nor how long that takes."""
    lines = b"".join(b"%d\n" % (number * 7919 % 101) for number in range(60_000))
    old = {f"f{number}": lines for number in range(8)}
    new = {f"f{number}": lines[::-1] for number in range(8)} | {"large": b"x" * (1 << 20)}
    found = compare(git, as_files(old), as_files(new))
    assert len(found.diff) < 1_100_000
    assert "large: too large to show" in found.diff


@pytest.mark.parametrize(
    ("name", "before", "since"),
    [
        ("vendor/modules.txt", False, True),
        ("vendor/a/b.go", True, True),
        ("p/vendor/vendor.go", True, False),
        ("p/vendor/foo/foo.go", True, True),
        ("vendor.go", False, False),
    ],
)
def test_vendored(name: str, before: bool, since: bool) -> None:
    """The rule of x/mod, with the slips it had before Go 1.24."""
    assert is_vendored(name, (1, 23)) is before
    assert is_vendored(name, (1, 24)) is since
