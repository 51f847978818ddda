"""Settings: every knob of the platform, read once from the environment in each main and passed down as a value.

Each field is the environment variable `GOPHERWOOD_<FIELD>` in upper case; flags of a command override it. Nothing else
in the project reads `os.environ` for a setting. All state lives below one folder, `home`, unless a URL says otherwise.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from gopherwood.errors import ConfigError

PREFIX = "GOPHERWOOD_"
DEFAULT_HOME = ".gopherwood"


def _setting(default: Any, says: str, *, secret: bool = False) -> Any:
    """Make a field; a secret one is shown nowhere, and is no flag: anybody may read a command line."""
    return field(default=default, metadata={"doc": says, "secret": secret}, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, with units. Build it with `from_env`; derive another with `dataclasses.replace`."""

    home: Path = _setting(Path(DEFAULT_HOME), "the folder that holds all local state")
    catalog: str = _setting("", "SQLAlchemy URL of the catalog; default: SQLite at HOME/catalog.db")
    store: str = _setting("", "URL of the store, file:///folder or s3://bucket/prefix; default: HOME/store")
    replica: str = _setting("", "URL of a second copy of the store, same forms, to heal from; default: none")
    scrub_days: int = _setting(30, "days in which `audit --scrub` reads the whole store once, a share each day")
    staging: str = _setting("", "URL of the staging area, same forms; default: HOME/staging")
    reports: str = _setting("", "URL of the folder of reports, same forms; default: HOME/reports")
    facts: str = _setting("", "URL of what `index` reads of versions, same forms; default: HOME/facts")
    s3_endpoint: str = _setting("", "endpoint URL of an S3-compatible object store; default: the client's own")
    upstream: str = _setting("", "GOPROXY list to copy from; default: GOPROXY of the user's Go configuration")
    private: str = _setting("", "patterns of private modules, as GOPRIVATE has them: no proxy, no checksum database")
    direct: str = _setting("private", "what may come from version control: off, private modules, or on for all")
    direct_timeout: float = _setting(600.0, "seconds that fetching one version from version control may take")
    direct_bytes: int = _setting(2 << 30, "bytes that fetching one version from version control may need on disk")
    direct_vcs: str = _setting("*:git", "which version control may be run, in the form of GOVCS")
    sumdb: str = _setting(
        "", "GOSUMDB to verify against, several by commas, or off; default: the user's Go configuration"
    )
    nosumdb: str = _setting(
        "", "GONOSUMDB, patterns of modules that are not looked up; default: the user's Go configuration"
    )
    index: str = _setting("", "base URL of a module index (its feed is at <base>/index); default: none")
    import_keys: str = _setting("", "verifier keys of whom bundles are imported from, or files that hold one, in a row")
    concurrency: int = _setting(16, "downloads at once in one fetch command")
    batch: int = _setting(100, "module versions leased, validated or published together")
    lease_seconds: float = _setting(600.0, "seconds before a lease that nobody renewed is free again")
    timeout: float = _setting(60.0, "seconds without a byte before a request to an upstream is given up")
    max_attempts: int = _setting(8, "tries before a failed module version is rejected")
    ledger_key_file: str = _setting("", "file of the ledger's secret key; default: HOME/ledger.key, when it is there")
    ledger_key: str = _setting("", "the ledger's secret key itself, in place of a file; no flag", secret=True)
    notices: str = _setting("", "file that says who is told what; default: HOME/notices.toml")
    serving_host: str = _setting("127.0.0.1", "address that serving binds")
    serving_port: int = _setting(8480, "port that serving binds")
    serving_workers: int = _setting(1, "worker processes of serving")
    serving_memory: int = _setting(256 << 20, "bytes of hot files that one serving worker keeps in memory")
    serving_grace: float = _setting(1.0, "seconds that serving answers on after SIGTERM, while /readyz says 503")
    serving_drain: float = _setting(30.0, "seconds that requests under way then have to finish")
    access_log: str = _setting("", "folder of serving's access log, or stdout, or off; default: HOME/logs")
    access_log_store: str = _setting("", "URL that its finished files are moved to, and `usage` reads; default: none")
    access_log_bytes: int = _setting(64 << 20, "bytes after which a file of the access log is finished")
    access_log_seconds: float = _setting(900.0, "seconds after which a file of the access log is finished")
    access_log_days: int = _setting(30, "days that files of the access log are kept, once `usage` has counted them")
    access_log_addresses: str = _setting("off", "whether the access log has the addresses of clients: off or on")
    checkout: Path = _setting(Path(), "checkout of the project, with helm-values/, for `release` and `promote`")
    airflow_url: str = _setting(
        "", "URL of Airflow's API, for `exporter` and `notify` to ask how runs of DAGs ended; default: not asked"
    )
    airflow_pages: str = _setting("", "URL at which people find Airflow, for links in notices; default: the same")
    airflow_user: str = _setting("", "who asks it")
    airflow_password: str = _setting("", "and the password; no flag", secret=True)
    airflow_port: int = _setting(8481, "port of the Airflow UI that `make run` starts")

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy URL of the catalog."""
        return self.catalog or f"sqlite:///{self.home.absolute() / 'catalog.db'}"

    @property
    def store_url(self) -> str:
        """URL of the store."""
        return self.store or (self.home.absolute() / "store").as_uri()

    @property
    def staging_url(self) -> str:
        """URL of the staging area, on the same file system or bucket as the store."""
        return self.staging or (self.home.absolute() / "staging").as_uri()

    @property
    def reports_url(self) -> str:
        """URL of the folder of reports: of data quality, of load tests, of chaos experiments."""
        return self.reports or (self.home.absolute() / "reports").as_uri()

    @property
    def facts_url(self) -> str:
        """URL of what was read of versions, for pages and the API."""
        return self.facts or (self.home.absolute() / "facts").as_uri()

    @property
    def ledger_key_path(self) -> Path:
        """File of the ledger's secret key, there or not."""
        return Path(self.ledger_key_file) if self.ledger_key_file else self.home.absolute() / "ledger.key"

    @property
    def notices_path(self) -> Path:
        """File of sinks and routes of notices, there or not."""
        return Path(self.notices) if self.notices else self.home.absolute() / "notices.toml"

    @property
    def access_log_folder(self) -> Path:
        """Folder that serving writes its access log in, if it writes files."""
        return Path(self.access_log) if self.access_log else self.home.absolute() / "logs"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, prefix: str = PREFIX) -> Self:
        """Read the settings from the environment.

        Raises ConfigError naming the variable when a value has the wrong form.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for spec in fields(cls):
            name = prefix + spec.name.upper()
            if text := environ.get(name, ""):
                values[spec.name] = _convert(name, text, type(spec.default))
        return cls(**values)


def _convert(name: str, text: str, kind: type) -> Path | str | int | float:
    if issubclass(kind, Path):
        return Path(text)
    if issubclass(kind, str):
        return text
    number: type[int] | type[float] = int if issubclass(kind, int) else float
    try:
        value = number(text)
    except ValueError:
        raise ConfigError(f"{name}={text!r} is not a number", hint=f"set {name} to a number, or unset it") from None
    if value <= 0:
        raise ConfigError(f"{name}={text!r} is not above zero", hint=f"set {name} to a positive number, or unset it")
    return value
