"""A program `helm` that keeps releases in a folder as helm keeps them in a cluster: for what promotions do with it.

`create` puts it into a folder for PATH. Its state is `<folder>/state.json`. Images whose digest is in `bad`
never get ready, those in `sick` fail the chart's test. `kill` counts down at each change that is made: at zero helm and
whoever started it are killed, half-way through that change.
"""

import json
import sys
from pathlib import Path
from typing import Any

PROGRAM = r"""#!{python} -IS
import json, os, sys

here = os.path.join(os.path.dirname(__file__), "state.json")
state = json.load(open(here))
words, options, rest = [], {{}}, iter(sys.argv[1:])
flags = {{"--show-resources", "--atomic", "--wait", "--logs", "--cleanup-on-fail", "--dry-run"}}
for word in rest:
    if word in flags:
        options[word] = True
    elif word.startswith("--"):
        options.setdefault(word, []).append(next(rest))
    else:
        words.append(word)
verb, name, *more = words
key = options["--namespace"][0] + "/" + name
revisions = state["releases"].get(key, [])

def save(step=True):
    state["releases"][key] = revisions
    last = step and state["kill"] == 1
    state["kill"] -= bool(step and state["kill"])
    with open(here, "w") as out:
        json.dump(state, out)
    if last:
        os.kill(os.getppid(), 9)
        os.kill(os.getpid(), 9)

def fail(why):
    sys.exit("Error: " + why)

def add(config, status):
    revisions.append({{"config": config, "status": status, "phase": None, "manifest": json.dumps(config, indent=1)}})
    return revisions[-1]

def settle(revision, good):
    for each in revisions:
        each["status"] = "superseded" if each["status"] == "deployed" and good else each["status"]
    revision["status"] = "deployed" if good else "failed"
    save()

def digests(revision):
    return {{image.get("digest") for image in revision["config"].get("images", {{}}).values()}}

if not revisions:
    fail("release: not found")
if verb == "history":
    print(json.dumps([{{"revision": n, "status": each["status"]}} for n, each in enumerate(revisions, 1)]))
elif verb == "status":
    number = int(options.get("--revision", [len(revisions)])[0])
    revision = revisions[number - 1]
    hooks = [{{"events": ["test"], "last_run": {{"phase": revision["phase"] or ""}}}}]
    ready = {{"conditions": [{{"type": "Ready", "status": "True"}}]}}
    pod = {{"metadata": {{"name": name + "-" + str(number)}}, "status": ready}}
    info = {{"status": revision["status"], "resources": {{"v1/Pod(related)": [{{"items": [pod]}}]}}}}
    print(json.dumps({{"version": number, "info": info, "config": revision["config"], "hooks": hooks,
                      "manifest": revision["manifest"]}}))
elif verb == "upgrade":
    config = {{}}
    for file in options["--values"]:
        text = open(file).read()
        config |= json.loads(text) if text.startswith("{{") else {{"environment": text}}
    assert open(more[0], "rb").read(2) == b"\x1f\x8b"
    if "typo" in config.get("environment", ""):
        fail("values don't meet the specifications of the schema(s)")
    if "--dry-run" in options:
        print(json.dumps({{"manifest": json.dumps(config, indent=1)}}))
        sys.exit()
    if revisions[-1]["status"].startswith("pending"):
        fail("another operation (install/upgrade/rollback) is in progress")
    before = next(each for each in reversed(revisions) if each["status"] == "deployed")
    made = add(config, "pending-upgrade")
    save()
    good = not digests(made) & set(state["bad"])
    settle(made, good)
    if not good:
        settle(add(before["config"], "pending-rollback"), True)
        revisions[-1]["phase"] = before["phase"]
        save(False)
        fail("UPGRADE FAILED: release " + name + " failed, and has been rolled back due to atomic being set")
elif verb == "rollback":
    before = revisions[int(more[0]) - 1]
    made = add(before["config"], "pending-rollback")
    made["phase"] = before["phase"]
    save()
    if state["stuck"]:
        fail("cluster unreachable")
    settle(made, True)
elif verb == "test":
    sick = bool(digests(revisions[-1]) & set(state["sick"]))
    revisions[-1]["phase"] = "Failed" if sick else "Succeeded"
    save()
    print("POD LOGS: smoke")
    if sick:
        fail("1 error occurred: pod smoke failed")
"""


class FakeHelm:
    """The state of the program, to be looked at and meddled with."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "state.json"

    def create(self) -> None:
        """Put the program there, with nothing installed."""
        folder = self.file.parent
        folder.mkdir()
        self.file.write_text(json.dumps({"releases": {}, "bad": [], "sick": [], "kill": 0, "stuck": False}))
        program = folder / "helm"
        program.write_text(PROGRAM.format(python=sys.executable))
        program.chmod(0o755)

    def __getitem__(self, name: str) -> Any:
        return json.loads(self.file.read_text())[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.file.write_text(json.dumps(json.loads(self.file.read_text()) | {name: value}))

    def install(self, namespace: str, release: str, config: dict[str, Any], phase: str | None = None) -> None:
        """Install a release anew, by hand; `phase` is what became of its chart's test."""
        made = {"config": config, "status": "deployed", "phase": phase, "manifest": json.dumps(config, indent=1)}
        self["releases"] = self["releases"] | {f"{namespace}/{release}": [made]}

    def runs(self, namespace: str, release: str = "gopherwood-serving") -> dict[str, Any]:
        """Return the newest revision of a release."""
        found: dict[str, Any] = self["releases"][f"{namespace}/{release}"][-1]
        return found
