"""Bring the platform up, ingest the first modules, say how to use it, wait, and take it down again.

The order: everything that can be wrong with the settings is found before anything starts; serving is up first, for what
is in the store can be used at once; then Airflow; then one run of the DAG `ingest` with the seed list, unless the store
holds all of it. On the way down the scheduler goes first, while the API server is there to hear how its tasks ended.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gopherwood import toolchain
from gopherwood.catalog import Catalog
from gopherwood.config import PREFIX, Settings
from gopherwood.discover import seed as seeds
from gopherwood.discover.source import Bad, is_exact
from gopherwood.errors import EXIT_DONE, EXIT_FAILED, ConfigError, StorageError
from gopherwood.ledger import key as ledger_keys
from gopherwood.ledger import show
from gopherwood.module import ModuleVersion
from gopherwood.notices import verb as notices
from gopherwood.states import OPEN, State
from gopherwood.up import airflow
from gopherwood.up.children import Child, Children, ask_groups_to_end
from gopherwood.up.progress import Progress

TICK = 0.5
"""Seconds between two looks at anything."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
INGEST = "ingest"
SECRETS = frozenset({f"{PREFIX}LEDGER_KEY", f"{PREFIX}AIRFLOW_PASSWORD"})
STEADY = 10.0
"""Seconds after which a part is taken to work: if it then dies, something befell it, and it is started again."""


class Stopped(BaseException):
    """Somebody asked us to stop; like KeyboardInterrupt, nobody handles it but `run`."""


class PartDiedError(StorageError):
    """A part of the platform ended by itself."""

    reason = "part-died"


@dataclass(slots=True)
class Platform:
    """The running parts, and what ends the waiting for them."""

    settings: Settings
    children: Children
    stop: threading.Event

    def wait(self, seconds: float = TICK) -> None:
        """Wait a little, and start a part again that has died; raises Stopped when asked to stop.

        Raises PartDiedError when a part dies that had hardly begun: it would do so again.
        """
        if self.stop.wait(seconds):
            raise Stopped
        if child := self.children.dead():
            if time.monotonic() - child.began < STEADY:
                raise died(child)
            say(f"{died(child, 'is started again')}")
            self.children.again(child)


def run(settings: Settings, *, seed: str, once: bool, stop: threading.Event) -> int:
    """Run the platform till `stop` is set; with `once` till the first ingestion is done. Return the exit code."""
    check(settings)
    wanted, queries = read_seed(seed)
    env = airflow.environment(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    say(f"Gopherwood · all state is in {settings.home.absolute()}")
    with Children(settings.home.absolute() / "logs") as children, lock(settings):
        platform = Platform(settings, children, stop)
        try:
            start(platform, env)
            ok = first_ingestion(platform, wanted, queries)
            say_how_to_use(settings)
            if not once:
                say("Ctrl-C stops everything.\n")
                wait_for_the_end(platform)
        except Stopped:
            ok = not once
            say("\nStopping ...")
        finally:
            take_down(children)
    say("Stopped; nothing is left running.")
    return EXIT_DONE if ok else EXIT_FAILED


def wait_for_the_end(platform: Platform) -> NoReturn:
    """Wait till the platform is stopped or breaks; it always ends by an exception (see `Platform.wait`)."""
    while True:
        platform.wait()


# --- before anything starts -------------------------------------------------------------------------------------------


def check(settings: Settings) -> None:
    """Find what is wrong with the settings and the machine.

    Raises ConfigError naming the setting.
    """
    airflow.checkout()
    if settings.serving_host not in LOOPBACK:
        raise ConfigError(
            f"{PREFIX}SERVING_HOST={settings.serving_host!r} is not loopback",
            hint="`gopherwood up` is for this machine alone; start `gopherwood-serving` by itself to serve others",
        )
    if settings.notices_path.exists():
        notices.check(settings)
    ports = {"SERVING_PORT": (settings.serving_host, settings.serving_port)}
    ports["AIRFLOW_PORT"] = (airflow.HOST, settings.airflow_port)
    for name, (host, port) in ports.items():
        if is_taken(host, port):
            raise ConfigError(
                f"port {port} of {host} is taken", hint=f"set {PREFIX}{name} to a free port, or free this one"
            )


def is_taken(host: str, port: int) -> bool:
    """Say whether somebody listens there, or nobody may."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def read_seed(name: str) -> tuple[list[ModuleVersion], list[str]]:
    """Return the exact versions of a seed list, and its other items (`module@latest`).

    Raises UsageError when there is no such list.
    """
    if name == "none":
        return [], []
    items = [item for item in seeds.read_file(seeds.seed_file(name)) if not isinstance(item, Bad)]
    exact = [ModuleVersion(*item) for item in items if is_exact(*item)]
    return exact, [f"{path}@{query}" for path, query in items if not is_exact(path, query)]


@contextmanager
def lock(settings: Settings) -> Iterator[None]:
    """Hold the state for ourselves; the lock ends with this process, so none is ever stale.

    Raises ConfigError when another `up` holds it.
    """
    with (settings.home / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = settings.home.absolute()
            raise ConfigError(
                f"another `gopherwood up` runs on {where}", hint=f"stop it, or set {PREFIX}HOME"
            ) from None
        yield


# --- up ---------------------------------------------------------------------------------------------------------------


def start(platform: Platform, env: Mapping[str, str]) -> None:
    """Start every part and wait till each answers.

    Raises StorageError when a database cannot be migrated, PartDiedError when a part dies.
    """
    settings, children = platform.settings, platform.children
    with Catalog.open(settings) as catalog:
        catalog.migrate()
    ledger_key(settings)
    children.start("serving", [program("gopherwood-serving")], without_secrets(env))
    began = time.monotonic()
    migrate_airflow(platform, env)
    for name, command in airflow.PARTS.items():
        children.start(name, [program("airflow"), *command], env)
    serving = serving_url(settings)
    while not answers(f"{serving}/readyz"):
        platform.wait(0.1)
    say(f"  serving   {serving}")
    say("  Airflow   starting; half a minute, more the first time ...")
    api = airflow.Api(settings)
    while not (api.healthy() and api.has_dag(INGEST)):
        platform.wait()
    api.make_pool(*airflow.CHAOS_POOL)
    say(f"  Airflow   {airflow.url(settings)}   (ready in {time.monotonic() - began:.0f} s)")
    if settings.notices_path.exists():
        told = without_secrets(env) | airflow.login(settings)
        children.start("notify", [program("gopherwood"), "notify", "--follow"], told)


def ledger_key(settings: Settings) -> str:
    """Return the public key of the ledger, which is made at the first start.

    A ledger that was signed elsewhere keeps its key, and grows unsigned here. Raises ConfigError for a malformed key.
    """
    with Catalog.open(settings) as catalog:
        known = catalog.ledger_key()
    return known if known and not ledger_keys.is_configured(settings) else show.key(settings).key


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a part that only reads: whoever breaks into it finds no key to sign with."""
    return {name: text for name, text in env.items() if name not in SECRETS}


def migrate_airflow(platform: Platform, env: Mapping[str, str]) -> None:
    """Create or upgrade Airflow's database, unless this version of Airflow has done so before.

    Raises ConfigError when Airflow is not installed, StorageError when it fails.
    """
    mark, version = airflow.migrated(platform.settings), airflow.installed()
    if mark.exists() and mark.read_text() == version:
        return
    child = platform.children.start("airflow-migrate", [program("airflow"), "db", "migrate"], env)
    while child.process.poll() is None:
        if platform.stop.wait(0.1):
            raise Stopped
    if child.process.returncode:
        raise died(child)
    platform.children.end([child])
    mark.write_text(version)


def program(name: str) -> str:
    """Return the path of a program of our own environment.

    Raises ConfigError when it is not there.
    """
    beside = Path(sys.executable).parent / name
    if found := (str(beside) if beside.exists() else shutil.which(name)):
        return found
    raise ConfigError(f"{name} is not installed", hint="use `make run`, which makes a complete environment")


def serving_url(settings: Settings) -> str:
    """Return where serving is."""
    return f"http://{settings.serving_host}:{settings.serving_port}"


def answers(url: str) -> bool:
    """Say whether a GET of a URL of this machine is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


# --- the first ingestion ----------------------------------------------------------------------------------------------


def first_ingestion(platform: Platform, wanted: list[ModuleVersion], queries: list[str]) -> bool:
    """Ingest the seed list by a run of the DAG, with progress; say whether it went well."""
    if not wanted and not queries:
        return True
    with Catalog.open(platform.settings) as catalog:
        rows = [catalog.state_of(mv) for mv in wanted]
        if rows and all(row and row.state not in OPEN for row in rows):
            published = sum(row is not None and row.state == State.PUBLISHED for row in rows)
            say(f"First ingestion: done before; {published} of {len(wanted)} versions of the seed list are published.")
            return True
        return ingest(platform, Progress(catalog, wanted), [*map(str, wanted), *queries])


def ingest(platform: Platform, progress: Progress, modules: list[str]) -> bool:
    """Trigger `ingest` with these modules and follow the run to its end; say whether it went well."""
    api = airflow.Api(platform.settings)
    run = api.trigger(INGEST, {"modules": modules})
    page = f"{api.base}/dags/{INGEST}/runs/{run}"
    say(f"First ingestion: {len(modules)} module versions, as a run of the DAG `ingest`: {page}")
    began = time.monotonic()
    try:
        while (state := api.state(INGEST, run)) not in ("success", "failed"):
            progress.look()
            tasks = ["waiting for its turn in Airflow"] if state == "queued" else api.running_tasks(INGEST, run)
            progress.show(doing=", ".join(tasks))
            platform.wait()
    finally:
        progress.look()
        progress.show()
        progress.close()
    if state == "failed":
        say(f"The first ingestion FAILED after {time.monotonic() - began:.0f} s. What failed, with its log:")
        for where, last_lines in api.failed_tasks(INGEST, run).items():
            say("\n".join([f"  {where}", *(f"    {line}" for line in last_lines)]))
        return False
    published = progress.counts()[State.PUBLISHED]
    say(f"First ingestion done in {time.monotonic() - began:.0f} s: {published} of {len(modules)} published.")
    return True


def say_how_to_use(settings: Settings) -> None:
    """Print the addresses, the log-in, and what to type next."""
    hello = airflow.checkout() / "examples" / "hello"
    where = min(str(hello), os.path.relpath(hello), key=len)
    go = "go" if shutil.which("go") else str(toolchain.find_go())
    proxy = f"{serving_url(settings)},off"
    say(
        f"""
  Airflow      {airflow.url(settings)}   log in as {airflow.USER} / {airflow.password(settings)}
  Modules      {serving_url(settings)}

Use it:        export GOPROXY={proxy}
Checksums:     GOSUMDB may stay as it is. To verify everything published here, private modules too, by its own ledger:
               export GOSUMDB={ledger_key(settings)}
For example:   cd {where} && GOPROXY={proxy} {go} build . && ./hello greet Gopher
"""
    )


# --- down -------------------------------------------------------------------------------------------------------------


def take_down(children: Children) -> None:
    """End the scheduler and its tasks while the API server can still hear of them; then all the rest."""
    for child in [child for child in children.running if child.name == airflow.SCHEDULER]:
        with contextlib.suppress(ProcessLookupError):
            child.process.terminate()
        ask_groups_to_end(child)
        children.end([child])
    children.end(list(children.running), grace=3.0)  # they hold no work; Airflow's API server idles on for 12 s


def died(child: Child, then: str = "everything else is stopped") -> PartDiedError:
    """Return the error that says which part ended, what is done about it, and what its last words were."""
    code = child.process.returncode
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    last = "\n".join(f"    {line}" for line in child.last_lines())
    return PartDiedError(f"{child.name} {how}; {then}", hint=f"its log: {child.log}\n{last}")


def say(text: str) -> None:
    """Tell the person in front of us."""
    print(text, flush=True)  # noqa: T201  # the terminal is this verb's user interface
