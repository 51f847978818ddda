"""The API at /v1/: pkg.go.dev's shapes, pages of lists, and errors that say what to do."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fakes.goproxy import make_module
from fakes.site import Site
from gopherwood.facts import run

PATH = "example.com/api"
SOURCE = """// Package api answers.
package api

import "fmt"

const Most = 1

type Thing struct{}

func New() *Thing { fmt.Println(); return nil }

func (t *Thing) Do() {}
"""


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    """Publish three versions of a module and two that import it, read them, and serve them."""
    site = make_site()
    files = {"api.go": SOURCE, "sub/sub.go": "package sub\n", "README.md": "# Api\n", "LICENSE": "Do as you like.\n"}
    for version in ("v1.0.0", "v1.1.0"):
        site.publish(PATH, version, make_module(PATH, version, files))
    mod = f"module {PATH}\n\nretract v1.1.0 // too early\n"
    site.publish(PATH, "v1.2.0", make_module(PATH, "v1.2.0", {**files, "go.mod": mod}))
    for name in ("one", "two"):
        source = f'package {name}\n\nimport _ "{PATH}"\n'
        site.publish(
            f"example.com/{name}", "v1.0.0", make_module(f"example.com/{name}", "v1.0.0", {f"{name}.go": source})
        )
    run(site.settings, (), None, threading.Event())
    site.start()
    return site


def ask(site: Site, what: str, status: int = 200) -> Any:
    """Ask for something, and return the JSON."""
    reply = site.get(f"/v1/{what}")
    assert reply.status == status, reply.text
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    return json.loads(reply.body)


def test_a_module_is_told(site: Site) -> None:
    """Its go.mod, README and licences are those of the bytes that builds get."""
    made = ask(site, f"module/{PATH}?readme=true&licenses=true")
    assert (made["path"], made["version"], made["isLatest"], made["hasGoMod"]) == (PATH, "v1.2.0", True, True)
    assert made["goModContents"].startswith(f"module {PATH}\n")
    assert made["readme"] == {"filepath": "README.md", "contents": "# Api\n"}
    assert made["licenses"] == [{"types": ["UNKNOWN"], "filePath": "LICENSE"}]
    assert ask(site, f"module/{PATH}?version=v1.0.0")["isLatest"] is False


def test_a_package_is_told(site: Site) -> None:
    """With its platform, and what it imports where that is asked for."""
    made = ask(site, f"package/{PATH}?imports=true&doc=html")
    assert (made["modulePath"], made["synopsis"], made["goos"]) == (PATH, "Package api answers.", "linux")
    assert (made["imports"], made["docs"]) == (["fmt"], "<p>Package api answers.</p>")
    assert ask(site, f"package/{PATH}/sub?module={PATH}&version=v1.0.0")["moduleVersion"] == "v1.0.0"
    packages = ask(site, f"packages/{PATH}")["packages"]
    assert [each["path"] for each in packages["items"]] == [PATH, f"{PATH}/sub"]


def test_versions_are_listed_with_what_was_said_of_them(site: Site) -> None:
    """The highest first; a retraction with its reason."""
    items = ask(site, f"versions/{PATH}")["items"]
    assert [(each["version"], each["retracted"]) for each in items] == [
        ("v1.2.0", False), ("v1.1.0", True), ("v1.0.0", False)
    ]  # fmt: skip
    assert (items[1]["retractionReason"], items[0]["latestVersion"]) == ("too early", "v1.2.0")


def test_symbols_have_kinds_and_parents(site: Site) -> None:
    """A method and a function that makes a type stand with it."""
    items = ask(site, f"symbols/{PATH}")["symbols"]["items"]
    assert [(each["name"], each["kind"], each.get("parent", "")) for each in items] == [
        ("Most", "Constant", ""), ("New", "Function", "Thing"), ("Thing", "Type", ""), ("Thing.Do", "Method", "Thing")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "inside"),
    [(f"imported-by/{PATH}", "importedBy"), (f"symbols/{PATH}", "symbols"), (f"versions/{PATH}", "")],
)
def test_pages_join_into_the_whole_list(site: Site, what: str, inside: str) -> None:
    """Page after page by its token is what one large page is."""
    whole = ask(site, what)
    whole = whole[inside] if inside else whole
    found: list[Any] = []
    token = ""
    for _ in range(len(whole["items"])):
        made = ask(site, f"{what}?limit=1&token={token}")
        made = made[inside] if inside else made
        found += made["items"]
        token = made.get("nextPageToken", "")
    assert (found, token, whole["total"]) == (whole["items"], "", len(whole["items"]))


@pytest.mark.parametrize(
    ("what", "status", "says"),
    [
        ("nothing/x", 404, "there is no 'nothing' here"),
        ("module/example.com/none", 404, "not held"),
        (f"module/{PATH}/sub", 404, "no module"),
        (f"module/{PATH}?version=v9.9.9", 404, "v9.9.9 is not held"),
        (f"module/{PATH}@v1.0.0", 400, "without a version"),
        ("module/", 400, "a path is wanted"),
        (f"package/{PATH}?goos=plan9", 404, "linux/amd64 alone"),
        (f"package/{PATH}?doc=text", 400, "doc"),
        (f"package/{PATH}?module=example.com/one", 400, "not in example.com/one"),
        (f"packages/{PATH}?limit=0", 400, "limit"),
        (f"packages/{PATH}?token=%25%25", 400, "token"),
        (f"packages/{PATH}?filter=(a%2B)%2B", 400, "filter"),
        ("versions/example.com/none", 404, "not held"),
    ],
)
def test_errors_say_what_to_do(site: Site, what: str, status: int, says: str) -> None:
    """They are problem details, with the members that pkg.go.dev's clients read."""
    made = ask(site, what, status)
    assert says in made["message"]
    assert (made["status"], made["code"], made["detail"]) == (status, status, made["message"])
