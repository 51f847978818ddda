"""x/mod's modfile, held against our gomod: its tables, and the original itself beside ours on generated files."""

import base64
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from gopherwood import gomod, gotext
from gopherwood.errors import InvalidGoModError
from gopherwood.toolchain import find_go
from xmod.source import PATH, VERSION, download, folder, go_table

pytestmark = pytest.mark.upstream

RULES, READS = "modfile/rule_test.go", "modfile/read_test.go"


def parses(text, *, lax=False):
    try:
        gomod.parse("in", gotext.to_bytes(text), lax=lax)
    except InvalidGoModError:
        return False
    return True


def test_module_path():
    """The path is found where Go finds it."""
    rows = [(gotext.to_bytes(row["input"]), row["expected"]) for row in go_table(READS, "modulePathTests")]
    assert [(data, gomod.module_path(data)) for data, _ in rows] == rows


def test_parse_versions():
    """Strict parses accept the go and toolchain lines that Go accepts; lax ones accept those, and none it must not."""
    rows = go_table(READS, "TestParseVersions")
    assert [row["input"] for row in rows if row["ok"] != parses(row["input"])] == []
    lax = [row for row in rows if parses(row["input"], lax=True)]
    assert [row["input"] for row in rows if row["ok"] and row not in lax] == []
    assert [row["input"] for row in lax if not (row["ok"] or row["laxOK"])] == []


def test_retract_rationale():
    """A retraction's rationale is the comment that Go takes."""
    rows = [(row["in"], row["want"]) for row in go_table(RULES, "retractRationaleTests")]
    assert [(text, gomod.parse("in", text.encode()).retract[0].rationale) for text, _ in rows] == rows


def test_module_deprecated():
    """A deprecation is the paragraph that Go takes."""
    rows = [(row["in"], row["want"]) for row in go_table(RULES, "moduleDeprecatedTests")]
    assert [(text, gomod.parse("in", text.encode()).module.deprecated) for text, _ in rows] == rows


# --- the original beside ours


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """Build the little Go program that parses with x/mod."""
    home = tmp_path_factory.mktemp("oracle")
    said = download()
    (home / "go.mod").write_text(f"module oracle\n\ngo 1.24\n\nrequire {PATH} {VERSION}\n")
    (home / "go.sum").write_text(f"{PATH} {VERSION} {said['Sum']}\n{PATH} {VERSION}/go.mod {said['GoModSum']}\n")
    (home / "main.go").write_bytes((Path(__file__).parent / "modfile_oracle" / "main.go").read_bytes())
    env = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [str(find_go()), "build", "-buildvcs=false", "-o", "oracle", "."]
    done = subprocess.run(command, cwd=home, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def ask(files):
        lines = "".join(base64.b64encode(data).decode() + "\n" for data in files)
        answered = subprocess.run([home / "oracle"], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in answered.stdout.splitlines()]

    return ask


def values(data, *, lax):
    """Parse with ours, into the words of the oracle."""
    try:
        file = gomod.parse("go.mod", data, lax=lax)
    except gomod.SyntaxProblemsError as error:
        return "\n".join(map(str, error.problems))
    module = file.module and [file.module.path, file.module.deprecated, file.module.line]
    return {
        "module": module, "go": file.go, "toolchain": file.toolchain, "tool": file.tool, "ignore": file.ignore,
        "godebug": [(one.key, one.value, one.line) for one in file.godebug],
        "require": [(one.mv.path, one.mv.version, one.indirect, one.line) for one in file.require],
        "exclude": [(one.mv.path, one.mv.version, one.line) for one in file.exclude],
        "replace": [(r.old.path, r.old.version, r.new.path, r.new.version, r.line) for r in file.replace],
        "retract": [(one.low, one.high, one.rationale, one.line) for one in file.retract],
    }  # fmt: skip


def ours(data):
    """Answer as the oracle does; JSON cannot hold bytes that are no UTF-8, and Go writes U+FFFD for them."""
    answer = [values(data, lax=False), values(data, lax=True), gomod.module_path(data)]
    text = re.sub(r"\\ud[c-f][0-9a-f]{2}", r"\\ufffd", json.dumps(answer))
    return json.loads(text)


def agree(mine, theirs):
    """Tell whether two parses say the same, apart from the differences that gomod's docstring lists."""
    if isinstance(mine, str) and isinstance(theirs, str):
        gave_up = mine.count("\n") + 1 >= gomod.MAX_PROBLEMS
        return mine == theirs or gave_up or "expected newline after closing paren" in theirs
    return mine == theirs


def check(oracle, files):
    """Compare both parses and the module path of every file."""
    differing = [
        (data, mine, theirs)
        for data, mine, theirs in zip(files, map(ours, files), oracle(files), strict=True)
        if not all(map(agree, mine, theirs))
    ]
    assert not differing, differing[:3]


def test_every_go_mod_in_the_tests(oracle):
    """Every go.mod in x/mod's own tests parses to the same values, or fails in the same words."""
    files = [path.read_bytes() for path in (folder() / "modfile/testdata").iterdir() if path.is_file()]
    for name in re.findall(r"^var (\w+) = \[\]struct", (folder() / RULES).read_text(), re.MULTILINE):
        texts = (value for row in go_table(RULES, name) for value in row.values() if type(value) is str)
        files += map(gotext.to_bytes, texts)
    files += [row["input"].encode() for row in go_table(READS, "TestComments")]
    files += [row["src"].encode() for row in go_table(READS, "TestParsePunctuation")]
    assert len(files) > 300
    check(oracle, files)


WORDS = """module require exclude replace retract go toolchain tool ignore godebug use => ( ) [ ] , { // //indirect /* /
example.com/a example.com/a/v2 gopkg.in/x.v1 v1.2.3 v2.0.0 v1 v2.0.0+incompatible v1.2.3+meta 1.21 1.9.0 1.20rc1 1.21x
v1.21.x go1.21 default v0.0.0-20200101000000-abcdefabcdef ../x ./y c:\\z a=b x@y ; ' \\ é "example.com/q" "a\\x41" `
`raw` " """
SPACES = [" ", "\n", "\n", "\n", "\t", "(\n", ")\n", "//\n", "\\\n", "\r", "\r\n", "\u00a0", "\ufeff", "\udcff"]
BITS = [*WORDS.split(), *SPACES, "// indirect", "// indirect; x", "// Deprecated: no", "// Deprecated:"]
STATEMENTS = """module example.com/m|module "example.com/m" // Deprecated: use v2|go 1.21|go 1.21.0|toolchain go1.22.1
require example.com/a v1.2.3|require example.com/a v1.2.3 // indirect|require (|\texample.com/b v1.0.0 // indirect|)||
// comment|// Deprecated: gone|//|retract v1.0.0 // bad|retract [v1.0.0, v1.2.0]|retract (|[v1.0.0,v1.3.0] // oops|
exclude example.com/a v1.0.0|exclude (|replace example.com/a => ../a|replace (|tool (|ignore ./x|ignore (|v1.4.0|(
example.com/a v1.0.0 => example.com/b v1.0.0|tool example.com/t|godebug (|require () // x|require ( ) x|module (
unknown x|unknown (|x (|retract ( |) // c|) x|godebug a=b"""
LINES = STATEMENTS.replace("\n", "|").split("|")


def of_bits(rng):
    parts = (rng.choice(BITS) + rng.choice(["", "", " "]) for _ in range(rng.randrange(1, 30)))
    return gotext.to_bytes("".join(parts))


def of_lines(rng):
    ends = ["\n", "\n", "\n", "\r\n", " // s\n", " "]
    return "".join(rng.choice(LINES) + rng.choice(ends) for _ in range(rng.randrange(1, 12))).encode()


@pytest.mark.parametrize("make", [of_bits, of_lines])
@pytest.mark.parametrize("seed", range(3))
def test_generated_files(oracle, make, seed):
    """Five thousand files of random tokens, or of random lines, mean the same to both."""
    rng = random.Random(seed)
    check(oracle, [make(rng) for _ in range(5000)])
