"""What is known of a module version from its bytes alone, as values.

Pages and the API show them; `extract` makes them. They hold for ever for one version and one `TOOL`, except that a
later version may deprecate the module or take this one back, which is kept beside them (catalog/facts.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from gopherwood.gomod import Retract
from gopherwood.module import ModuleVersion

TOOL = 1
"""Number of what is extracted, and how; when it grows, `index` reads every version again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that could not be read, or not within bounds: a file ("" for the whole) and why."""

    file: str
    why: str


@dataclass(frozen=True, slots=True)
class LicenceFile:
    """A licence file and the SPDX identifiers found in it; none when it is not known well enough."""

    path: str
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """A package of the module; `folder` is "" for the root."""

    path: str
    """Its import path."""
    folder: str
    name: str
    synopsis: str
    imports: tuple[str, ...]
    symbols: int
    """Exported names."""
    platform: str
    """GOOS/GOARCH that it was read for: linux/amd64, unless it has no files there."""

    @property
    def is_command(self) -> bool:
        """Whether it is a program."""
        return self.name == "main"

    @property
    def is_internal(self) -> bool:
        """Whether only this module may import it."""
        return "internal" in self.path.split("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleFacts:
    """A module version."""

    mv: ModuleVersion
    tool: int = TOOL
    go: str = ""
    deprecated: str = ""
    """What this version's own go.mod says; that of the highest version counts."""
    retract: tuple[Retract, ...] = ()
    requires: tuple[tuple[str, str, bool], ...] = ()
    """Module path, version, and whether it is indirect."""
    synopsis: str = ""
    readme: str = ""
    licences: tuple[LicenceFile, ...] = ()
    packages: tuple[PackageFacts, ...] = ()
    files: int = 0
    uncompressed: int = 0
    """Bytes of all files."""
    findings: tuple[Finding, ...] = field(default=())

    @property
    def licence_ids(self) -> tuple[str, ...]:
        """The identifiers of the licences at the root, each once."""
        at_root = (name for each in self.licences if "/" not in each.path for name in each.ids)
        return tuple(dict.fromkeys(at_root))

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "mv"} | {
            "path": self.mv.path,
            "version": self.mv.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made from."""
        made = {name: value for name, value in data.items() if name not in ("path", "version")}
        made["mv"] = ModuleVersion(data["path"], data["version"])
        made["retract"] = tuple(Retract(**each) for each in data["retract"])
        made["requires"] = tuple((path, version, bool(indirect)) for path, version, indirect in data["requires"])
        made["licences"] = tuple(LicenceFile(each["path"], tuple(each["ids"])) for each in data["licences"])
        packages = [{**each, "imports": tuple(each["imports"])} for each in data["packages"]]
        made["packages"] = tuple(PackageFacts(**each) for each in packages)
        made["findings"] = tuple(Finding(**each) for each in data["findings"])
        return cls(**made)
