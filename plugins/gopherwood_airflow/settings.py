"""Where pods run: the environment variables `GOPHERWOOD_POD_<FIELD>`, read when a DAG file is parsed.

A setting that cannot be meant is an import error of every DAG, in the UI and in the log, before there is any pod.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PREFIX = "GOPHERWOOD_POD_"
BY_DIGEST = re.compile(r"\S+@sha256:[0-9a-f]{64}")
TRUE = frozenset({"1", "true", "yes", "on"})


class SettingError(ValueError):
    """A setting of `GOPHERWOOD_POD_...` that cannot be used; says which, and what to write."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where pods run, and as whom."""

    image: str
    """The tasks' image, by digest: a tag may be another image tomorrow, and in a retry of today's task."""
    vcs_image: str = ""
    """The image that has git and Go too, for jobs that ask version control; none: they get the tasks' image."""
    deploy_image: str = ""
    """The image that has helm too, for promotions; none: they get the tasks' image, and say that there is no helm."""
    data_image: str = ""
    """The image that has pandas and Parquet too, for jobs that need them; none: they get the tasks' image."""
    load_image: str = ""
    """The image that has load generators and Go too, for load tests; none: they get the tasks' image."""
    namespace: str = "gopherwood"
    config: str = ""
    """Name of the ConfigMap of settings, as environment variables."""
    secret: str = ""
    """Name of the Secret of settings, as environment variables."""
    ledger_secret: str = ""
    """Name of the Secret whose file `key` is the ledger's secret key, for who publishes; none: no such file."""
    checkout: str = ""
    """Name of the claim with a checkout of the project, for promotions."""
    claim: str = ""
    """Name of a claim that all nodes can mount, where the state lies on a volume and not in a bucket."""
    service_account: str = "default"
    """Service account of the pods; `{job}` in it becomes the kind of job (jobs.py)."""
    priority_class: str = ""
    """Name of the PriorityClass of the pods; none leaves it to the cluster."""
    deferrable: bool = False
    """Wait for pods in the triggerer instead of in a worker's process."""
    allow_tags: bool = False
    """Take an image without a digest. For development only."""
    inside: bool = False
    """Whether Airflow itself is a pod of the cluster, and reaches it by its service account. Seen, not set."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; raises SettingError when there is no image, or one without a digest."""
        texts = {name: environ.get(PREFIX + name.upper(), "").strip() for name in cls.__slots__}
        flags = {name: texts[name].lower() in TRUE for name in ("deferrable", "allow_tags")}
        flags["inside"] = "KUBERNETES_SERVICE_HOST" in environ and not environ.get("KUBECONFIG")
        cluster = cls(**({name: text for name, text in texts.items() if text} | {"image": texts["image"]} | flags))  # type: ignore[arg-type]
        if not cluster.image:
            raise SettingError(f"{PREFIX}IMAGE names no image: name the tasks' image by digest")
        for name in ("image", "vcs_image", "deploy_image", "data_image", "load_image"):
            image = getattr(cluster, name)
            if image and not cluster.allow_tags and not BY_DIGEST.fullmatch(image):
                raise SettingError(
                    f"{PREFIX}{name.upper()}={image} has no digest: name it as REPOSITORY@sha256:..., "
                    f"or, for development only, set {PREFIX}ALLOW_TAGS=true"
                )
        return cluster

    def image_for(self, *, vcs: bool = False, helm: bool = False, data: bool = False, load: bool = False) -> str:
        """Return the image of a job that asks version control, runs helm, works on tables, makes load, or of others."""
        wanted = ((vcs, self.vcs_image), (helm, self.deploy_image), (data, self.data_image), (load, self.load_image))
        return next((image for is_wanted, image in wanted if is_wanted and image), self.image)

    def account(self, job: str) -> str:
        """Return the service account for a kind of job."""
        return self.service_account.replace("{job}", job)
