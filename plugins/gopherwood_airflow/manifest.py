"""The pod of a task, as arguments of the provider's operator: each default with its reason."""

from typing import Any

from airflow.providers.cncf.kubernetes.pod_generator import make_safe_label_value
from kubernetes.client import models as k8s

from gopherwood_airflow import command
from gopherwood_airflow.jobs import Job
from gopherwood_airflow.node_pools import LABEL, NodePool, Taint
from gopherwood_airflow.settings import Cluster
from gopherwood_airflow.sizes import Size

APP = "gopherwood-task"
SIZE = "size"
"""Label that says which size a pod is of; the next try is told by it."""
HOST = "kubernetes.io/hostname"
SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"
STATE = "/var/lib/gopherwood"
"""Where the claim is mounted; the charts' default for it too."""
CHECKOUT = "/checkout"
"""Where a promotion finds the claim with its checkout."""
LEDGER = "/etc/gopherwood/ledger"
"""Where who publishes finds the ledger's secret key, a file of a Secret."""
TERMINATION_LOG = "/dev/termination-log"
USER = 65532
"""The user and group of the tasks' image."""
SCHEDULE_SECONDS = 600
"""How long a pod waits for a node: a pool may have to grow from nothing."""


def pod_defaults(
    cluster: Cluster, task_id: str, pool: NodePool, size: Size, job: Job, *, result: bool, modules: str
) -> dict[str, Any]:
    """Return the provider's arguments for one of our pods."""
    labels = _labels(task_id, size) | ({"modules": modules} if modules else {})
    return {
        "name": "gopherwood-" + task_id.replace("_", "-").replace(".", "-"),
        "random_name_suffix": True,  # two tries of one task must never share a name
        "labels": labels,
        "annotations": {SAFE_TO_EVICT: str(job.evictable).lower()},
        "container_resources": resources(size),
        "affinity": k8s.V1Affinity(node_affinity=_node_affinity(pool), pod_anti_affinity=_apart(job, labels)),
        "tolerations": [_toleration(taint) for taint in (pool.taint, *pool.provider_taints)],
        "priority_class_name": cluster.priority_class or None,
        "service_account_name": cluster.account(job.name),
        "automount_service_account_token": job.helm or job.asks,  # all others ask nothing of the cluster
        **_contents(cluster, job, result=result),
        **_rights(),
        **_conduct(cluster),
    }


def resources(size: Size) -> k8s.V1ResourceRequirements:
    """Return a size in Kubernetes' form."""
    return k8s.V1ResourceRequirements(
        requests={"cpu": size.cpu, "memory": size.memory}, limits={"cpu": size.cpu_limit, "memory": size.memory_limit}
    )


def _contents(cluster: Cluster, job: Job, *, result: bool) -> dict[str, Any]:
    """Say what runs in it. Settings and secrets come by name only, so nothing shows a value."""
    variables = {"HOME": "/tmp", "TMPDIR": "/tmp"} | ({"GOPHERWOOD_XCOM": TERMINATION_LOG} if result else {})  # noqa: S108
    if job.signs and cluster.ledger_secret:
        variables["GOPHERWOOD_LEDGER_KEY_FILE"] = f"{LEDGER}/key"
    if job.helm:  # its memory in ConfigMaps: who may read Secrets reads all of them
        variables |= {"HELM_DRIVER": "configmap", "GOPHERWOOD_CHECKOUT": CHECKOUT}
    secret = k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=cluster.secret))
    return {
        "image": cluster.image_for(vcs=job.vcs, helm=job.helm, data=job.data, load=job.load),
        "image_pull_policy": "IfNotPresent",
        "namespace": cluster.namespace,
        "configmaps": [cluster.config] if cluster.config else [],
        "env_from": [secret] if cluster.secret else [],
        "env_vars": variables,
        **_places(cluster, job),
    }


def _places(cluster: Cluster, job: Job) -> dict[str, Any]:
    """Say where it may write: /tmp, the state where that lies on a volume, a checkout; and which secrets are files."""
    volumes = [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())]
    mounts = [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")]  # noqa: S108
    if cluster.claim:
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=cluster.claim)
        volumes.append(k8s.V1Volume(name="state", persistent_volume_claim=source))
        mounts.append(k8s.V1VolumeMount(name="state", mount_path=STATE))
    if job.helm and cluster.checkout:
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=cluster.checkout)
        volumes.append(k8s.V1Volume(name="checkout", persistent_volume_claim=source))
        mounts.append(k8s.V1VolumeMount(name="checkout", mount_path=CHECKOUT))
    if job.signs and cluster.ledger_secret:
        secret = k8s.V1SecretVolumeSource(secret_name=cluster.ledger_secret, default_mode=0o440)
        volumes.append(k8s.V1Volume(name="ledger", secret=secret))
        mounts.append(k8s.V1VolumeMount(name="ledger", mount_path=LEDGER, read_only=True))
    return {"volumes": volumes, "volume_mounts": mounts}


def _rights() -> dict[str, Any]:
    """Say what it may do on its node: no more than it needs."""
    return {
        "security_context": k8s.V1PodSecurityContext(
            run_as_non_root=True,
            run_as_user=USER,
            run_as_group=USER,
            fs_group=USER,
            seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
        ),
        "container_security_context": k8s.V1SecurityContext(
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=k8s.V1Capabilities(drop=["ALL"]),
        ),
    }


def _conduct(cluster: Cluster) -> dict[str, Any]:
    """Say how Airflow waits for it, and what it tells."""
    return {
        "kubernetes_conn_id": None,  # one source of configuration only, else deferred tasks end green whatever happened
        "in_cluster": cluster.inside
        or None,  # said, since the triggerer does not look for it by itself as a worker does
        "durable": True,  # a worker that restarts goes on with the pod that runs, instead of starting a second one
        "skip_on_exit_code": command.SKIPPED,
        "termination_grace_period": 30,  # what a command needs at most to give its leases back
        "schedule_timeout_seconds": SCHEDULE_SECONDS,
        "startup_timeout_seconds": 300,  # and pull the image
        "startup_check_interval_seconds": 1,  # most commands take seconds: 5, the default, would be most of their time
        "deferrable": cluster.deferrable,
        "logging_interval": 10 if cluster.deferrable else None,  # else deferred logs come when all is over
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,  # pages of it, before the line that says why
        "log_formatter": _readable,
        "get_logs": True,
        "on_finish_action": "delete_pod",
    }


def _readable(_container: str, line: str) -> str:
    return command.readable(line)[1]


def _labels(task_id: str, size: Size) -> dict[str, str]:
    """Return labels; the provider adds dag_id, task_id, run_id, map_index and try_number, as valid values."""
    return {
        "app": APP,
        "app.kubernetes.io/name": "gopherwood",
        "app.kubernetes.io/component": make_safe_label_value(task_id.replace(".", "-")),
        "app.kubernetes.io/part-of": "gopherwood",
        "app.kubernetes.io/managed-by": "airflow",
        SIZE: size.name,
    }


def _node_affinity(pool: NodePool) -> k8s.V1NodeAffinity:
    wanted = k8s.V1NodeSelectorRequirement(key=LABEL, operator="In", values=[pool.name])
    terms = [k8s.V1NodeSelectorTerm(match_expressions=[wanted])]
    return k8s.V1NodeAffinity(
        required_during_scheduling_ignored_during_execution=k8s.V1NodeSelector(node_selector_terms=terms)
    )


def _apart(job: Job, labels: dict[str, str]) -> k8s.V1PodAntiAffinity | None:
    """Keep pods of one task to different nodes, as its kind of job asks; those of other tasks are no matter."""
    if job.spread == "no":
        return None
    alike = {key: labels[key] for key in ("app", "app.kubernetes.io/component")}
    term = k8s.V1PodAffinityTerm(label_selector=k8s.V1LabelSelector(match_labels=alike), topology_key=HOST)
    if job.spread == "required":
        return k8s.V1PodAntiAffinity(required_during_scheduling_ignored_during_execution=[term])
    weighted = k8s.V1WeightedPodAffinityTerm(weight=100, pod_affinity_term=term)
    return k8s.V1PodAntiAffinity(preferred_during_scheduling_ignored_during_execution=[weighted])


def _toleration(taint: Taint) -> k8s.V1Toleration:
    return k8s.V1Toleration(key=taint.key, operator="Equal", value=taint.value, effect=taint.effect)
