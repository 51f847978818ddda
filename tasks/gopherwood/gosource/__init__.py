"""Go source, read for what people look up: packages, imports, documentation, exported names.

Each step is a file: `constraints` (which files belong to a platform), `parse` (one file, by tree-sitter's grammar of
Go), `declarations` and `examples` (what it says), `synopsis` and `comment` (what its comments say), `package` (the
files of one folder as documentation, in the shape of Go's own go/doc). Nothing is executed, type-checked or fetched:
what cannot be read is left out and named. The time is linear in the bytes read, which callers bound (facts/).

Authority: go/build, go/doc and go/doc/comment of the Go standard library; golang.org/x/pkgsite/internal/fetch for the
choice of platforms and the limits.
"""

from gopherwood.gosource.declarations import Declaration
from gopherwood.gosource.examples import Example
from gopherwood.gosource.package import GoPackage, TypeDoc, assemble
from gopherwood.gosource.parse import GoFile, NotGoError, parse
from gopherwood.gosource.synopsis import synopsis

__all__ = ["Declaration", "Example", "GoFile", "GoPackage", "NotGoError", "TypeDoc", "assemble", "parse", "synopsis"]
