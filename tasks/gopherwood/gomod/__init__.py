"""go.mod files: what a module says about itself, its requirements and its past releases.

`parse` reads a file strictly, as `go` reads the main module's: everything it does not know is an error. With
`lax=True` it reads as `go` reads a dependency's: statements that are unknown, or that count only in the main module
(exclude, replace, toolchain, godebug, tool), are skipped. `module_path` finds the path alone, in files that are
otherwise broken.

Two layers, as in the original: `syntax` (tokens, lines, blocks, comments) and `directives` (what each statement means,
as the `values` it makes). The cost is linear in the size of the file, which callers limit (modzip.MAX_GO_MOD); the
worst file of 16 MiB found takes 11 s and 1 GiB.

What differs from the original, and why: the syntax tree is not kept and nothing is written back, because Gopherwood
never changes a byte of a module; versions must be canonical, as there is nobody to ask what `master` means; reading
stops after `MAX_PROBLEMS` problems, because a hostile file may hold millions; where a line has both a lexical mistake
and a token behind a block's `)`, the lexical mistake is the one reported; a comment behind a string that runs over a
line's end belongs to that line.

Authority: golang.org/x/mod/modfile, read.go and rule.go; https://go.dev/ref/mod#go-mod-file.
"""

from gopherwood.gomod.directives import is_directory_path, parse
from gopherwood.gomod.syntax import MAX_PROBLEMS, Problem, SyntaxProblemsError, module_path
from gopherwood.gomod.values import Exclude, Godebug, ModFile, ModuleLine, Replace, Require, Retract

__all__ = [
    "MAX_PROBLEMS",
    "Exclude",
    "Godebug",
    "ModFile",
    "ModuleLine",
    "Problem",
    "Replace",
    "Require",
    "Retract",
    "SyntaxProblemsError",
    "is_directory_path",
    "module_path",
    "parse",
]
