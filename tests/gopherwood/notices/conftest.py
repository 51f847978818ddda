"""A catalog whose outbox is told of, a file of routes, and the servers that are told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.told import Hook, Slack
from gopherwood.catalog import Catalog
from gopherwood.config import Settings
from gopherwood.http import Client
from gopherwood.notices import parse
from gopherwood.notices.deliver import Delivery

Told = Callable[[str], Delivery]


class Desk:
    """A notifier over a catalog: `routes` writes the file, `delivery` is what a run of `notify` has of a sink."""

    def __init__(self, catalog: Catalog, settings: Settings, client: Client) -> None:
        self.catalog = catalog
        self.settings = settings
        self._client = client

    def routes(self, text: str) -> None:
        self.settings.notices_path.write_text(text)

    def plan(self) -> parse.Plan:
        return parse.read(self.settings, self._client)

    def delivery(self, sink: str, owner: str = "one") -> Delivery:
        """Return a delivery whose sink is known to the catalog: what is emitted from now on is told."""
        made = Delivery(self.catalog, self.plan(), sink, owner)
        self.catalog.take_sink(sink, owner, 1)
        self.catalog.give_back_sinks(owner)
        return made


@pytest.fixture
def desk(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    settings = Settings(home=tmp_path, timeout=5)
    monkeypatch.setenv("HOOK_SECRET", Hook.secret.decode())
    monkeypatch.setenv("SLACK_TOKEN", Slack.token)
    with Client(settings) as client:
        yield Desk(catalog, settings, client)


@pytest.fixture
def slack() -> Iterator[Slack]:
    with Slack() as server:
        yield server


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with Hook() as server:
        monkeypatch.setenv("HOOK_URL", f"{server.url}/in")
        yield server
