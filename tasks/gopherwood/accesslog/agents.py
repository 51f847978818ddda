"""Classes of user agents: what a client says of itself is its own text, so only its class is kept.

`go` is what Go's own HTTP client says: the `go` command, and every Go program that says nothing else of itself, some
proxies among them. It is no proof of anything: any client may say so.
"""

import re

AGENTS = ("go", "proxy", "gopherwood", "browser", "bot", "tool", "load", "probe", "none", "other")
"""Every class. `load` are load generators, `probe` asks whether we are well, `none` says nothing."""

UNCOUNTED = frozenset({"load", "probe"})
"""Classes whose requests are no downloads: we make them ourselves."""

_CLASSES = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("load", r"gopherwood-load|locust|vegeta|\bwrk\b|\bk6/|\bhey/|apachebench"),
        ("probe", r"kube-probe|prometheus|blackbox|googlehc|elb-healthchecker"),
        ("gopherwood", r"^gopherwood"),
        ("proxy", r"athens|goproxy|gomodulemirror|artifactory|jfrog|nexus/"),
        ("go", r"^go-http-client/|^go/"),
        ("bot", r"bot\b|crawl|spider|slurp"),
        ("browser", r"^mozilla/"),
        ("tool", r"^(curl|wget|python|aiohttp|httpie|httpx|libwww|java|okhttp|rust|reqwest|node|powershell)\b"),
    )
)
"""In this order: a load generator may call itself a browser."""

LONGEST = 512
"""Characters of a user agent that are looked at."""


def agent_class(says: str) -> str:
    """Return the class, one of AGENTS, of a User-Agent header."""
    if not says.strip():
        return "none"
    return next((name for name, pattern in _CLASSES if pattern.search(says[:LONGEST])), "other")
