"""Which files belong to a platform."""

import pytest

from gopherwood.gosource.constraints import PLATFORMS, Platform, belongs

LINUX, WINDOWS, DARWIN, WASM = PLATFORMS


@pytest.mark.parametrize(
    ("name", "platforms"),
    [
        ("a.go", PLATFORMS),
        ("linux.go", PLATFORMS),
        ("a_linux.go", (LINUX,)),
        ("a_amd64.go", (LINUX, WINDOWS, DARWIN)),
        ("a_windows_amd64.go", (WINDOWS,)),
        ("a_darwin_arm64.go", ()),
        ("a_js_wasm_test.go", (WASM,)),
        ("a_unix.go", PLATFORMS),  # no name of a system: https://go.dev/doc/go1.19#go-unix
    ],
)
def test_names_name_platforms(name: str, platforms: tuple[Platform, ...]) -> None:
    """The end of a file's name says where it belongs, never its beginning."""
    assert tuple(platform for platform in PLATFORMS if belongs(name, b"package a\n", platform)) == platforms


@pytest.mark.parametrize(
    ("line", "is_linux"),
    [
        ("//go:build linux", True),
        ("//go:build !linux && amd64", False),
        ("//go:build (unix || windows) && go1.18 && !custom", True),
        ("//go:build ignore", False),
        ("//go:build linux &&", False),
        ("//go:build " + "(" * 5_000, False),
        ("// +build windows linux,!cgo", False),
        ("// +build windows linux\n// +build amd64", True),
        ("/* a licence\n*/\n//go:build windows", False),
        ("package other\n//go:build windows", True),
    ],
)
def test_lines_say_where_a_file_belongs(line: str, is_linux: bool) -> None:
    """Expressions count above the package clause alone; what cannot be read excludes its file."""
    assert belongs("a.go", f"{line}\n\npackage a\n".encode(), LINUX) is is_linux
