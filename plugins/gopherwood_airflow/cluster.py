"""A task as a pod: the KubernetesPodOperator with the house's defaults, each with its reason.

Imported only where a cluster is configured: the provider costs seconds of CPU in every process that imports it.
The result of a command comes back in the container's termination message (4 KiB, ample for worker numbers): no sidecar,
whose image would have to be there, and no `exec` into a pod, which has been seen to hang.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client import models as k8s

from gopherwood_airflow import command
from gopherwood_airflow.node_pools import DEFAULT, LABEL, NodePool

TERMINATION_LOG = "/dev/termination-log"
USER = 65532
"""The user and group of the tasks' image."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where pods run; the environment variables `GOPHERWOOD_POD_<FIELD>`, read when a DAG file is parsed."""

    image: str
    namespace: str = "gopherwood"
    config: str = ""
    """Name of the ConfigMap of settings, as environment variables."""
    secret: str = ""
    """Name of the Secret of settings, as environment variables."""
    service_account: str = "default"
    deferrable: bool = False
    """Wait for pods in the triggerer instead of in a worker's process."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings of `GOPHERWOOD_POD_*`; `image` must be there."""
        prefix = "GOPHERWOOD_POD_"
        texts = {name: environ[prefix + name.upper()] for name in cls.__slots__ if environ.get(prefix + name.upper())}
        return cls(**{**texts, "deferrable": texts.get("deferrable", "").lower() in {"1", "true"}})  # type: ignore[arg-type]


class ClusterPod(command.CommandLine, KubernetesPodOperator):
    """Runs a command line in a pod; see `pods.TaskPod` for the parameters."""

    template_fields: Sequence[str] = (*KubernetesPodOperator.template_fields, "more_arguments", "only_if")

    def __init__(
        self,
        *,
        task_id: str,
        arguments: Sequence[str],
        more_arguments: str = "",
        only_if: str = "true",
        node_pool: NodePool = DEFAULT,
        size: command.Size = command.NORMAL,
        result: bool = False,
        program: Sequence[str] = command.PROGRAM,
        **kwargs: Any,
    ) -> None:
        defaults = pod_defaults(Cluster.from_env(), task_id, node_pool, size, result=result)
        super().__init__(
            task_id=task_id,
            cmds=list(program),
            arguments=arguments,  # type: ignore[arg-type]  # a list, or what will be one when the task is mapped
            **(defaults | kwargs),
        )
        self.more_arguments = more_arguments
        self.only_if = only_if
        self.result = result

    def execute(self, context: Any) -> Any:
        """Run the pod; return what the command handed over, if it is asked for a result."""
        self.arguments = self.command_line()
        super().execute(context)
        return self._handed_over(self.remote_pod)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Go on after the triggerer has told of the pod."""
        self.log.info("the trigger says: %s", event["status"])  # the task's state alone has been green without one
        super().trigger_reentry(context, event)
        return self._handed_over(self.pod)

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:
        """Delete the pod and judge its end by the house's exit codes, where the provider knows only success."""
        try:
            super().cleanup(pod, remote_pod, xcom_result, context)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            code = _terminated(remote_pod).exit_code
            if code in command.NO_RETRY and (final := command.failure(code, self.cmds[0])):
                raise final from error
            raise

    def _handed_over(self, pod: k8s.V1Pod | None) -> Any:
        if not self.result or pod is None:
            return None
        self.do_xcom_push = True  # only now: before, it would have asked for the sidecar
        return command.result(_terminated(pod).message or "")


def pod_defaults(cluster: Cluster, task_id: str, pool: NodePool, size: command.Size, *, result: bool) -> dict[str, Any]:
    """Return the provider's arguments for one of our pods."""
    name = "gopherwood-" + task_id.replace("_", "-").replace(".", "-")
    variables = {"HOME": "/tmp", "TMPDIR": "/tmp"} | ({"GOPHERWOOD_XCOM": TERMINATION_LOG} if result else {})  # noqa: S108
    secret = k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=cluster.secret))
    return {
        "image": cluster.image,
        "image_pull_policy": "IfNotPresent",
        "namespace": cluster.namespace,
        "name": name,
        "random_name_suffix": True,  # two tries of one task must never share a name
        "kubernetes_conn_id": None,  # one source of configuration only, else deferred tasks end green whatever happened
        "service_account_name": cluster.service_account,
        "automount_service_account_token": False,
        "labels": _labels(task_id),
        "configmaps": [cluster.config] if cluster.config else [],
        "env_from": [secret] if cluster.secret else [],
        "env_vars": variables,
        "container_resources": _resources(size),
        "affinity": _affinity(pool),
        "tolerations": [k8s.V1Toleration(key=LABEL, operator="Equal", value=pool.name, effect="NoSchedule")],
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
        "volumes": [k8s.V1Volume(name="tmp", empty_dir=k8s.V1EmptyDirVolumeSource())],
        "volume_mounts": [k8s.V1VolumeMount(name="tmp", mount_path="/tmp")],  # noqa: S108  (the one writable place)
        "skip_on_exit_code": command.SKIPPED,
        "termination_grace_period": 30,  # what a command needs at most to give its leases back
        "schedule_timeout_seconds": 600,  # a pool may have to grow from nothing
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


def _labels(task_id: str) -> dict[str, str]:
    return {
        "app": "gopherwood-task",
        "app.kubernetes.io/name": "gopherwood",
        "app.kubernetes.io/component": task_id.replace(".", "-"),
        "app.kubernetes.io/part-of": "gopherwood",
        "app.kubernetes.io/managed-by": "airflow",
    }


def _resources(size: command.Size) -> k8s.V1ResourceRequirements:
    return k8s.V1ResourceRequirements(
        requests={"cpu": size.cpu, "memory": size.memory}, limits={"cpu": size.cpu_limit, "memory": size.memory_limit}
    )


def _affinity(pool: NodePool) -> k8s.V1Affinity:
    term = k8s.V1NodeSelectorTerm(
        match_expressions=[k8s.V1NodeSelectorRequirement(key=LABEL, operator="In", values=[pool.name])]
    )
    required = k8s.V1NodeSelector(node_selector_terms=[term])
    return k8s.V1Affinity(
        node_affinity=k8s.V1NodeAffinity(required_during_scheduling_ignored_during_execution=required)
    )


def _terminated(pod: k8s.V1Pod) -> k8s.V1ContainerStateTerminated:
    for status in (pod.status and pod.status.container_statuses) or []:
        if status.name == KubernetesPodOperator.BASE_CONTAINER_NAME and status.state and status.state.terminated:
            return status.state.terminated
    return k8s.V1ContainerStateTerminated(exit_code=1)  # it never came to run
