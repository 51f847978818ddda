"""Go source, read for what people look up: packages, imports, documentation, exported names.

Four steps, each a file: `constraints` (which files belong to a platform), `parse` (one file, by tree-sitter's grammar
of Go), `synopsis` (the first sentence of a comment), `package` (the files of one folder as documentation, in the shape
of Go's own go/doc). Nothing is executed, type-checked or fetched: what cannot be read is left out and named. The time
is linear in the bytes read, which callers bound (facts/).

Authority: go/build, go/doc and go/doc/comment of the Go standard library; golang.org/x/pkgsite/internal/fetch for the
choice of platforms and the limits.
"""

from gopherwood.gosource.package import Declaration, Example, GoPackage, TypeDoc, assemble
from gopherwood.gosource.parse import GoFile, NotGoError, parse
from gopherwood.gosource.synopsis import synopsis

__all__ = ["Declaration", "Example", "GoFile", "GoPackage", "NotGoError", "TypeDoc", "assemble", "parse", "synopsis"]
