"""The API at /v1/: what pkg.go.dev's API answers, in its shapes, about what is published here.

`module`, `package`, `packages`, `versions`, `symbols` and `imported-by`, each with the path behind it. All answers are
made of rows of the catalog and of facts that were read before (facts/); nothing is computed from sources. Lists are cut
into pages: `limit` (at most MOST) and the `token` of the page before. What differs: `filter` is refused, since a
stranger's regular expression may cost any time, and a package is documented for one platform, which the answer names.

Authority: golang.org/x/pkgsite/internal/api (types.go, openapi.yaml); RFC 9457 for errors, whose members come first.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from gopherwood import pseudo
from gopherwood.catalog import Catalog
from gopherwood.facts import files
from gopherwood.facts.licences import redistributable
from gopherwood.facts.values import ModuleFacts, PackageFacts
from gopherwood.objects import MissingError, Objects
from gopherwood.store import key
from gopherwood_serving.answers import JSON, MISSING, SHORT, Answer, found
from gopherwood_serving.modulepage import Place, find, retraction_of

MOST = 1_000
"""Items of a page."""
USUAL = 100
"""Items of a page where the client names no limit."""
LONGEST_QUERY = 4096
PSEUDO_VERSIONS = 10
"""Of a module without tags so many are listed, the newest first."""
PROBLEM = "application/problem+json"


class ProblemError(Exception):
    """A request that has no answer: a status, what is wrong, and what the client can do."""

    def __init__(self, status: int, message: str, *fixes: str) -> None:
        super().__init__(message)
        self.status = status
        self.fixes = fixes


class Asked(NamedTuple):
    """A request: the path behind the endpoint's name, and its parameters."""

    path: str
    query: dict[str, str]

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is true."""
        return self.query.get(name, "").lower() in ("true", "1")


class Api:
    """Answers requests. Threads may share one; methods raise StorageError."""

    def __init__(self, catalog: Catalog, store: Objects, facts: Objects) -> None:
        self._catalog = catalog
        self._store = store
        self._facts = facts
        self._endpoints: dict[str, Callable[[Asked], Any]] = {
            "module": self.module,
            "package": self.package,
            "packages": self.packages,
            "versions": self.versions,
            "symbols": self.symbols,
            "imported-by": self.imported_by,
        }

    def answer(self, rest: str, query: str) -> Answer:
        """Answer /v1/<rest> with this query string."""
        name, _, path = rest.partition("/")
        try:
            if len(query) > LONGEST_QUERY:
                raise ProblemError(400, "the query is too long")
            if (endpoint := self._endpoints.get(name)) is None:
                raise ProblemError(404, f"there is no {name!r} here", f"ask for one of {', '.join(self._endpoints)}")
            asked = {key: values[-1] for key, values in parse_qs(query).items()}
            if "filter" in asked:
                raise ProblemError(400, "filter is not supported", "ask for all pages, and filter them yourself")
            made = found(_json(endpoint(Asked(path, asked))), JSON, SHORT, keep=False)
        except ProblemError as problem:
            made = _problem(problem)
        made.headers.append(("access-control-allow-origin", "*"))
        return made

    def module(self, asked: Asked) -> dict[str, Any]:
        """Return a module version; with `readme` and `licenses` their texts."""
        place, facts = self._place(asked), None
        if place.folder:
            raise ProblemError(404, f"{asked.path} is no module", f"it is in {place.mv.path}")
        facts = self._read(place)
        row = self._catalog.state_of(place.mv)
        origin = (row.facts.get("origin") if row else None) or {}
        mod = self._store.read(key(place.mv, ".mod"))
        made = {
            "path": place.mv.path,
            "version": place.mv.version,
            "isLatest": self._is_latest(place),
            "isRedistributable": redistributable(facts.licence_ids),
            "isStandardLibrary": False,
            "hasGoMod": mod != f"module {place.mv.path}\n".encode(),
            "repoUrl": str(origin.get("URL", "")),
            "goModContents": mod.decode("utf-8", "replace"),
        }
        if asked.flag("readme") and facts.readme:
            text = files.member(self._facts, place.mv, files.README).decode("utf-8", "replace")
            made["readme"] = {"filepath": facts.readme, "contents": text}
        return made | ({"licenses": self._licences(facts, "")} if asked.flag("licenses") else {})

    def package(self, asked: Asked) -> dict[str, Any]:
        """Return a package; with `imports`, `licenses` and `doc=html` those too."""
        place = self._place(asked)
        facts, package = self._package(place)
        goos, _, goarch = package.platform.partition("/")
        for name, has in (("goos", goos), ("goarch", goarch)):
            if asked.query.get(name, has) != has:
                raise ProblemError(404, f"{place.path} is documented for {package.platform} alone")
        made: dict[str, Any] = {
            "path": package.path,
            "modulePath": place.mv.path,
            "moduleVersion": place.mv.version,
            "synopsis": package.synopsis,
            "isStandardLibrary": False,
            "isLatest": self._is_latest(place),
            "goos": goos,
            "goarch": goarch,
        }
        form = asked.query.get("doc", "")
        if form not in ("", "html"):
            raise ProblemError(400, f"documentation is not had as {form}", "ask for doc=html")
        if form:
            made["docs"] = self._documentation(place).get("doc", "")
        if asked.flag("imports"):
            made["imports"] = list(package.imports)
        return made | ({"licenses": self._licences(facts, package.folder)} if asked.flag("licenses") else {})

    def packages(self, asked: Asked) -> dict[str, Any]:
        """Return the packages of a module version."""
        place = self._place(asked)
        items = [
            {
                "path": each.path,
                "modulePath": place.mv.path,
                "moduleVersion": place.mv.version,
                "synopsis": each.synopsis,
                "isStandardLibrary": False,
                "isLatest": self._is_latest(place),
            }
            for each in self._read(place).packages
        ]
        paged = _paged(asked, items, lambda item: str(item["path"]))
        return {"modulePath": place.mv.path, "version": place.mv.version, "packages": paged}

    def versions(self, asked: Asked) -> dict[str, Any]:
        """Return the versions of a module, the highest first: its tags, else its newest pseudo-versions."""
        path = asked.path
        held = self._catalog.versions(path)[::-1]
        if not held:
            raise ProblemError(404, f"{path} is not held here", f"gopherwood ingest {path}@latest brings it in")
        tagged = [each for each in held if not pseudo.is_pseudo_version(each.version)]
        module = self._catalog.modules([path]).get(path)
        rows = self._catalog.facts_of(path)
        items = []
        for each in tagged or held[:PSEUDO_VERSIONS]:
            retracted = retraction_of(module, each.version)
            row = rows.get(each.version)
            items.append(
                {
                    "modulePath": path,
                    "version": each.version,
                    "commitTime": each.time.isoformat().replace("+00:00", "Z") if each.time else None,
                    "isRedistributable": redistributable(row.licences) if row else False,
                    "latestVersion": module.latest if module else (tagged or held)[0].version,
                    "deprecated": bool(module and module.deprecated),
                    "deprecationReason": module.deprecated if module else "",
                    "retracted": retracted is not None,
                    "retractionReason": retracted or "",
                }
            )
        return _paged(asked, items, lambda item: str(item["version"]))

    def symbols(self, asked: Asked) -> dict[str, Any]:
        """Return the exported names of a package, by name."""
        place = self._place(asked)
        self._package(place)
        items = [
            {"modulePath": place.mv.path, "version": place.mv.version, **symbol}
            for symbol in _symbols(self._documentation(place))
        ]
        items.sort(key=lambda item: item["name"])
        paged = _paged(asked, items, lambda item: str(item["name"]))
        return {"modulePath": place.mv.path, "version": place.mv.version, "symbols": paged}

    def imported_by(self, asked: Asked) -> dict[str, Any]:
        """Return the packages of other modules that import a package."""
        place = self._place(asked)
        limit, after = _page(asked)
        paths = self._catalog.importers(place.path, limit=limit + 1, after=after)
        paged: dict[str, Any] = {"items": paths[:limit], "total": self._catalog.imported_by(place.path)}
        if len(paths) > limit:
            paged["nextPageToken"] = _token(paths[limit - 1])
        return {"modulePath": place.mv.path, "version": place.mv.version, "importedBy": paged}

    def _place(self, asked: Asked) -> Place:
        """Return what a request is about; `module` and `version` say more than its path."""
        path, version, module = asked.path, asked.query.get("version", ""), asked.query.get("module", "")
        if not path or "@" in path:
            raise ProblemError(400, "a path is wanted, without a version", "name the version as ?version=")
        if module and path != module and not path.startswith(f"{module}/"):
            raise ProblemError(400, f"{path} is not in {module}")
        place = find(self._catalog, f"{module}@latest{path[len(module) :]}" if module else path)
        if place is not None and version not in ("", "latest"):
            place = find(self._catalog, f"{place.mv.path}@{version}{path[len(place.mv.path) :]}")
        if place is None:
            what = f"{path}@{version}" if version else path
            raise ProblemError(404, f"{what} is not held here", f"gopherwood ingest {what} brings in a module")
        return place

    def _is_latest(self, place: Place) -> bool:
        module = self._catalog.modules([place.mv.path]).get(place.mv.path)
        return module is not None and module.latest == place.mv.version

    def _read(self, place: Place) -> ModuleFacts:
        try:
            return files.facts(self._facts, place.mv)
        except MissingError:
            raise ProblemError(404, f"what {place.mv} contains was not read yet", "ask again later") from None

    def _documentation(self, place: Place) -> dict[str, Any]:
        text = files.member(self._facts, place.mv, files.docs_name(place.folder))
        made: dict[str, Any] = json.loads(text or b"{}")
        return made

    def _package(self, place: Place) -> tuple[ModuleFacts, PackageFacts]:
        facts = self._read(place)
        package = next((each for each in facts.packages if each.folder == place.folder), None)
        if package is None:
            raise ProblemError(404, f"{place.path} is no package of {place.mv}", f"see /v1/packages/{place.mv.path}")
        return facts, package

    @staticmethod
    def _licences(facts: ModuleFacts, folder: str) -> list[dict[str, Any]]:
        """Return the licence files that apply to a folder: its own, and those of the folders above it."""
        above = {folder.rsplit("/", count)[0] for count in range(folder.count("/") + 1)} | {""}
        here = [each for each in facts.licences if each.path.rpartition("/")[0] in above]
        return [{"types": list(each.ids) or ["UNKNOWN"], "filePath": each.path} for each in here]


def _symbols(docs: dict[str, Any]) -> list[dict[str, Any]]:
    def of(declaration: dict[str, Any], name: str, parent: str = "") -> dict[str, Any]:
        kinds = {"const": "Constant", "var": "Variable", "func": "Function", "type": "Type", "method": "Method"}
        made = {"name": name, "kind": kinds[declaration["kind"]], "synopsis": declaration["text"].split("\n", 1)[0]}
        return made | ({"parent": parent} if parent else {})

    plain = [*docs.get("values", ()), *docs.get("functions", ())]
    made = [of(each, name) for each in plain for name in each["names"]]
    for each in docs.get("types", ()):
        parent = each["declaration"]["names"][0]
        made.append(of(each["declaration"], parent))
        made += [of(one, name, parent) for one in (*each["values"], *each["functions"]) for name in one["names"]]
        made += [of(one, f"{parent}.{one['names'][0]}", parent) for one in each["methods"]]
    return made


def _paged(asked: Asked, items: Sequence[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> dict[str, Any]:
    """Return the page that is asked for: what stands behind the item that the token names."""
    limit, after = _page(asked)
    start = next((at for at, item in enumerate(items, 1) if name(item) == after), None) if after else 0
    if start is None:
        raise ProblemError(400, "the token is of no page of this list", "begin without one")
    made: dict[str, Any] = {"items": list(items[start : start + limit]), "total": len(items)}
    if start + limit < len(items):
        made["nextPageToken"] = _token(name(items[start + limit - 1]))
    return made


def _page(asked: Asked) -> tuple[int, str]:
    text, token = asked.query.get("limit", str(USUAL)), asked.query.get("token", "")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text)):
        raise ProblemError(400, "limit is no number above zero")
    try:
        return min(int(text), MOST), base64.b64decode(token, b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise ProblemError(400, "the token is none of ours", "begin without one") from None


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _problem(problem: ProblemError) -> Answer:
    titles = {400: "Bad Request", 404: "Not Found"}
    body = {
        "type": "about:blank",
        "title": titles[problem.status],
        "status": problem.status,
        "detail": str(problem),
        "code": problem.status,
        "message": str(problem),
        "fixes": list(problem.fixes),
    }
    headers = [("content-type", PROBLEM), ("cache-control", MISSING), ("x-content-type-options", "nosniff")]
    return Answer(status=problem.status, headers=headers, body=_json(body))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
