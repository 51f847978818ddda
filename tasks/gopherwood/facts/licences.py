"""Licences of a module: which files are licence files, and which licences they hold.

The file names and the share of a file that must be licence text are those of pkg.go.dev. What is found is shown and
never a reason to withhold bytes: policies judge (docs/content-rules.md). The matcher is the library's; it is imported
here alone, and late, as its texts take a moment to load.

Authority: golang.org/x/pkgsite/internal/licenses; https://pkg.go.dev/license-policy.
"""

from pathlib import PurePosixPath

LARGEST = 1 << 20
"""Bytes of a licence file that are read for it; matching costs a second a megabyte."""
COVERAGE = 75.0
"""Percent of a file that must be licence text."""

_STEMS = ("copying", "licence", "license", "mit-licence", "mit-license")
_PLAIN = {f"{stem}{suffix}" for stem in _STEMS for suffix in ("", ".md", ".markdown", ".txt")}
_SPELLED = (
    "license-2.0.txt", "license-apache", "license-apache-2.0.txt", "license-mit", "license.mit", "license.code",
    "license.docs", "license.rst", "mit_license", "unlicense",
)  # fmt: skip
NAMES = frozenset(_PLAIN | {*_SPELLED} | {name.replace("license", "licence") for name in _SPELLED})
"""Names of licence files, in lower case."""

REDISTRIBUTABLE = frozenset(
    "0BSD AFL-3.0 AGPL-3.0 AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BlueOak-1.0.0 BSD-1-Clause"  # noqa: SIM905  # forty quoted names are no easier to read
    " BSD-2-Clause BSD-2-Clause-FreeBSD BSD-2-Clause-Patent BSD-2-Clause-Views BSD-3-Clause BSD-3-Clause-Clear"
    " BSD-3-Clause-Open-MPI BSD-4-Clause BSD-4-Clause-UC BSL-1.0 CC-BY-3.0 CC-BY-3.0-AU CC-BY-4.0 CC-BY-SA-3.0"
    " CC-BY-SA-4.0 CC0-1.0 CECILL-2.1 EPL-1.0 EPL-2.0 EUPL-1.2 GPL-2.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0"
    " GPL-3.0-only GPL-3.0-or-later HPND ISC JSON LGPL-2.1 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0 LGPL-3.0-only"
    " LGPL-3.0-or-later LPL-1.02 MIT MIT-0 MPL-2.0 MPL-2.0-no-copyleft-exception MulanPSL-2.0 NCSA NIST-PD"
    " NIST-PD-fallback OFL-1.1 OpenSSL OSL-3.0 PostgreSQL Python-2.0 Unlicense UPL-1.0 Zlib".split()
)
"""Licences under which pkg.go.dev shows documentation."""


def is_licence(name: str) -> bool:
    """Tell whether a path in a module names a licence file; one in a vendored module does not count."""
    path = PurePosixPath(name)
    return path.name.lower() in NAMES and "vendor" not in path.parts[:-2]


def identify(text: str) -> tuple[str, ...]:
    """Return the SPDX identifiers of the licences that a file consists of, each once; none when it is not sure."""
    from licenseclassifier import identify_license

    return tuple(dict.fromkeys(match.id for match in identify_license(text, COVERAGE)))


def redistributable(ids: tuple[str, ...]) -> bool:
    """Tell whether all of these licences, and at least one, allow what pkg.go.dev shows."""
    return bool(ids) and REDISTRIBUTABLE.issuperset(ids)
