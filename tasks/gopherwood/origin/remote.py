"""A repository, asked what its refs are now; and, when it does not say, what that means.

One `git ls-remote` answers for all versions of a repository. When it fails, the same URL is asked once more by our own
HTTP client, which sees what git does not tell: the status, and where a redirect leads. The errors tell apart

- not there (404, 410, or git's own word for it): NotFoundError;
- who are you? (401, 403): RefusedError with that status; many hosts say so of what does not exist;
- we will not go there (guard.py): RefusedError with status 0;
- it could not be asked now (time-outs, names, refused connections, 5xx): UpstreamError. Unreachable is not gone.

A redirect is followed by us, one hop at a time, each judged anew; where it ends under another name, the repository was
renamed. What differs only in case, in `.git` or in a slash at the end is the same name.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from gopherwood.errors import NotFoundError, RefusedError, UpstreamError
from gopherwood.http import MAX_REDIRECTS, REDIRECTS, Client, redact
from gopherwood.http import target as redirect_target
from gopherwood.origin import guard
from gopherwood.origin.git import Done, Git
from gopherwood.origin.guard import Target
from gopherwood.origin.values import HASH
from gopherwood.reach import Reach

ADVERTISEMENT = "/info/refs?service=git-upload-pack"
"""What git asks for first over HTTP. Authority: gitprotocol-http(5)."""
_MAX_REPLY = 64 << 20
_ANY_STATUS = range(200, 500)
_NO_REPOSITORY = re.compile(r"(?i)not found|no such|does not exist|not appear to be a git repository|not exported")
_NO_REF = re.compile(r"(?i)not our ref|unadvertised object|couldn't find remote ref|no such remote ref")


class Refs(NamedTuple):
    """The tags and branches of a repository, each with the commit it names, and where the repository is now."""

    commits: Mapping[str, str]
    tags: Mapping[str, str]
    """Of annotated tags: the hash of the tag itself, which some upstreams give for the commit's."""
    target: Target
    renamed_to: str = ""
    """The URL that it redirects to, "" while it has its name."""


class Remote:
    """Asks repositories; any number of threads may share one."""

    def __init__(self, git: Git, client: Client) -> None:
        self._git = git
        self._client = client

    def refs(self, url: str, allowed: Reach = Reach.PUBLIC) -> Refs:
        """Return what a repository's refs name; `allowed` is how near to us it may be.

        Raises NotFoundError, RefusedError and UpstreamError as said above; TooLargeError for refs beyond measure.
        """
        at = self.target(url, allowed)
        renamed_to = ""
        for _ in range(MAX_REDIRECTS + 1):
            done = self._run(at, "ls-remote", "--tags", "--heads", "--", at.url)
            if done.code == 0:
                return Refs(*_parse(done.out), renamed_to=renamed_to, target=at)
            at = self._after_redirect(at, done)
            renamed_to = "" if _same(url, at.url) or _same(self._effective(url), at.url) else at.url
        raise UpstreamError(f"{redact(url)}: more than {MAX_REDIRECTS} redirects")

    def target(self, url: str, allowed: Reach) -> Target:
        """Return where git may be sent for a URL.

        Raises RefusedError for where it may not, UpstreamError when its host has no address.
        """
        effective = self._effective(url)
        return guard.trusted(effective) if effective != url else guard.target(url, allowed)

    def commits(self, refs: Refs, wanted: Collection[str]) -> dict[str, str]:
        """Return those commits that are still to be had, each with its whole hash.

        `wanted` are whole hashes or their first twelve digits. A commit that no ref leads to may still be had by its
        hash: then nothing has changed for `go`. First digits are no name that a server knows, so for them, and with
        servers that give no such commits, the history of all refs is looked through.
        """
        found = {each: commit for each in wanted for commit in refs.commits.values() if commit.startswith(each)}
        missing = [each for each in wanted if each not in found]
        if not missing:
            return found
        with self._git.repository() as folder:
            for each in missing:
                if HASH.fullmatch(each) and self.fetch(refs.target, each, folder, "--filter=tree:0", "--depth=1"):
                    found[each] = each
        if left := [each for each in missing if each not in found]:
            found |= self._in_history(refs, left)
        return found

    def _in_history(self, refs: Refs, wanted: Collection[str]) -> dict[str, str]:
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        with self._git.repository() as folder:
            if not self.fetch(refs.target, everything, folder, "--filter=tree:0"):
                return {}
            history = self._git.run("rev-list", "--all", folder=folder).out.decode().split()
        return {each: commit for each in wanted for commit in history if commit.startswith(each)}

    def fetch(self, at: Target, what: str | Collection[str], folder: Path, *flags: str) -> bool:
        """Fetch refs or a hash into a repository on disk; False when the server has no such thing.

        Raises UpstreamError when it could not be asked.
        """
        wanted = [what] if isinstance(what, str) else list(what)
        done = self._run(at, "fetch", "--quiet", "--no-tags", *flags, "--", at.url, *wanted, folder=folder)
        if done.code and not _NO_REF.search(done.says):
            raise UpstreamError(f"{redact(at.url)}: git fetch: {done.says}")
        return done.code == 0

    def _effective(self, url: str) -> str:
        """Return a URL as the user's git configuration rewrites it."""
        done = self._git.run("ls-remote", "--get-url", "--", url)
        return done.out.decode("utf-8", "replace").strip() if done.code == 0 else url

    def _run(self, at: Target, *arguments: str, folder: Path | None = None) -> Done:
        return self._git.run(*arguments, options=at.options, schemes=at.scheme, folder=folder)

    def _after_redirect(self, at: Target, done: Done) -> Target:
        """Find out why git failed: return where a redirect leads, or raise what the failure means."""
        failed = f"{redact(at.url)}: {done.says}"
        if at.scheme not in guard.HTTP:
            raise NotFoundError(failed) if _NO_REPOSITORY.search(done.says) else UpstreamError(failed)
        asked = at.url.rstrip("/") + ADVERTISEMENT
        reply = self._client.get(asked, limit=_MAX_REPLY, accept_status=_ANY_STATUS, allowed=at.allowed, follow=False)
        location = reply.headers.get("location", "")
        if reply.status in REDIRECTS and location:
            return self._hop(at, redirect_target(asked, location))
        if reply.status in (404, 410):
            raise NotFoundError(f"{redact(at.url)}: {reply.status}, there is no such repository", status=reply.status)
        if reply.status in (401, 403, 451):
            raise RefusedError(f"{redact(at.url)}: {reply.status}, it wants to know who asks", status=reply.status)
        raise UpstreamError(failed, status=reply.status)

    @staticmethod
    def _hop(at: Target, url: str) -> Target:
        base, found, _ = url.partition("/info/refs")
        if not found:  # a page to log in, say
            raise RefusedError(f"{redact(at.url)} redirects to what is no repository: {redact(url)[:200]}", status=401)
        parts = urlsplit(base)
        base = base.replace(parts.netloc, parts.netloc.rpartition("@")[2], 1)
        return guard.target(base, at.allowed, {at.scheme: guard.HTTP[at.scheme], "https": 443})


def _parse(said: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Return each ref with its commit, and annotated tags with their own hash; what one points to is `<ref>^{}`."""
    commits: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in said.decode("utf-8", "replace").splitlines():
        found, _, ref = line.partition("\t")
        if not HASH.fullmatch(found):
            continue
        if ref.endswith("^{}"):
            ref = ref.removesuffix("^{}")
            tags[ref] = commits.get(ref, "")
        commits[ref] = found
    return commits, tags


def _same(one: str, other: str) -> bool:
    """Tell whether two URLs name one repository but for spelling."""
    return _plain(one) == _plain(other)


def _plain(url: str) -> str:
    return url.partition("://")[2].lower().rstrip("/").removesuffix(".git")
