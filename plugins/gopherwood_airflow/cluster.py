"""A task as a pod: the KubernetesPodOperator with the house's defaults (manifest.py) and its own judgement of an end.

Imported only where a cluster is configured: the provider costs seconds of CPU in every process that imports it.
The result of a command comes back in the container's termination message (4 KiB, ample for worker numbers): no sidecar,
whose image would have to be there, and no `exec` into a pod, which has been seen to hang.

A pod that was killed for memory is tried again one size up. Which size that is must outlive the try: it is kept in
Airflow's task state store, whose rows belong to the task of a run and not to a try (an XCom goes when a retry starts).
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import PodLaunchTimeoutException
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client import ApiException
from kubernetes.client import models as k8s

from gopherwood_airflow import command, manifest, poolcheck, reports, sizes, trace
from gopherwood_airflow.endings import Cause, Ending, ending, terminated, vanished
from gopherwood_airflow.jobs import Job, job_of
from gopherwood_airflow.node_pools import DEFAULT, NodePool
from gopherwood_airflow.settings import Cluster
from gopherwood_airflow.trigger import PodTrigger

SIZE_KEY = "gopherwood_size"
"""Key of the task state store: the name of the size that the next try runs with."""


class ClusterPod(command.CommandLine, KubernetesPodOperator):
    """Runs a command line in a pod; see `pods.TaskPod` for the parameters."""

    template_fields: Sequence[str] = (*KubernetesPodOperator.template_fields, "more_arguments", "only_if", "report")

    def __init__(
        self,
        *,
        task_id: str,
        arguments: Sequence[str],
        more_arguments: str = "",
        only_if: str = "true",
        node_pool: NodePool = DEFAULT,
        size: sizes.Size = sizes.NORMAL,
        job: Job | None = None,
        modules: str = "",
        report: str | bool = "",
        result: bool = False,
        program: Sequence[str] = command.PROGRAM,
        **kwargs: Any,
    ) -> None:
        kind = job or job_of(arguments)
        cluster = Cluster.from_env()
        result = result or report is True
        defaults = manifest.pod_defaults(cluster, task_id, node_pool, size, kind, result=result, modules=modules)
        super().__init__(
            task_id=task_id,
            cmds=list(program),
            arguments=arguments,  # type: ignore[arg-type]  # a list, or what will be one when the task is mapped
            **(defaults | kwargs),
        )
        self.more_arguments = more_arguments
        self.only_if = only_if
        self.node_pool = node_pool
        self.size = size
        self.report = report
        self.operator_extra_links = reports.links(report)
        self.result = result

    def execute(self, context: Any) -> Any:
        """Run the pod; return what the command handed over, if it is asked for a result."""
        self.arguments = self.command_line()
        self._take_size(context)
        poolcheck.check(self.node_pool, self.client, self.log, self.schedule_timeout_seconds)
        try:
            super().execute(context)
        except PodLaunchTimeoutException as error:
            raise AirflowException(f"{error} It was for node pool {self.node_pool.name}") from error
        return self._handed_over(self.remote_pod)

    def defer(self, *, trigger: Any, method_name: str, **kwargs: Any) -> NoReturn:
        """Wait in the triggerer, by a trigger that gives the scheduler time (trigger.py)."""
        super().defer(trigger=PodTrigger(**trigger.serialize()[1]), method_name=method_name, **kwargs)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Go on after the triggerer has told of the pod."""
        self.log.info("the trigger says: %s", event["status"])  # the task's state alone has been green without one
        try:
            super().trigger_reentry(context, event)
        except AirflowException as error:
            if self.pod is None:  # it went while nobody looked
                raise self._error(self._vanished(event["name"], event["namespace"])) from error
            raise
        return self._handed_over(self.pod)

    def build_pod_request_obj(self, context: Any = None, **kwargs: Any) -> k8s.V1Pod:
        """Build the pod, with what the provider has no argument for."""
        pod = super().build_pod_request_obj(context, **kwargs)
        # Variables for each Service of the namespace: that of `gopherwood-serving` would be our setting of that name.
        pod.spec.enable_service_links = False
        who = [k8s.V1EnvVar(name=name, value=text) for name, text in trace.environment(context).items()]
        for container in pod.spec.containers:
            container.env = [*(container.env or []), *who]
        return pod

    def cleanup(self, pod: Any, remote_pod: Any, xcom_result: Any = None, context: Any = None) -> None:
        """Delete the pod and judge its end by the house's exit codes, where the provider knows only success."""
        last = self._as_it_is_now(remote_pod) if remote_pod else None
        self._note_report(last)
        try:
            super().cleanup(pod, last or remote_pod, xcom_result, context)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            if last is None:
                raise self._error(self._vanished(remote_pod.metadata.name, remote_pod.metadata.namespace)) from error
            if found := ending(last):
                raise self._error(found, last, context) from error
            code = end.exit_code if (end := terminated(last)) else 1  # it never came to run
            if code in command.NO_RETRY and (final := command.failure(code, self.cmds[0])):
                raise final from error
            raise

    def _take_size(self, context: Any) -> None:
        """Run with the size that an earlier try of this run left word of, if it did."""
        store = context.get("task_state_store")
        grown = sizes.named(store.get(SIZE_KEY)) if store is not None else None
        if grown is not None:
            limit = grown.memory_limit
            self.log.info("runs with size %s (limit %s): an earlier try was killed for memory", grown.name, limit)
            self.container_resources = manifest.resources(grown)
            self.labels = self.labels | {manifest.SIZE: grown.name}

    def _as_it_is_now(self, pod: k8s.V1Pod) -> k8s.V1Pod | None:
        """Return a pod as the cluster has it now, None when it has it no more.

        The provider's own is as old as the pod's start when something interrupts it.
        """
        if pod.status and pod.status.phase == "Succeeded":
            return pod
        try:
            return self.client.read_namespaced_pod(pod.metadata.name, pod.metadata.namespace)
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def _vanished(self, name: str, namespace: str) -> Ending:
        try:
            events = self.client.list_namespaced_event(namespace, field_selector=f"involvedObject.name={name}").items
        except ApiException:  # no right to, or no answer: the rest of the story is true without
            events = []
        return vanished(events)

    def _error(self, found: Ending, pod: k8s.V1Pod | None = None, context: Any = None) -> AirflowException:
        """Return the exception that tells of an end, and what the next try does; leave word for that one."""
        if found.cause is not Cause.MEMORY or pod is None:
            return AirflowException(f"{found.says}. The task is tried again, if it has a try left")
        size = sizes.named((pod.metadata.labels or {}).get(manifest.SIZE)) or self.size
        grown = sizes.larger(size)
        if grown is None:
            return AirflowException(f"{found.says}, the largest size there is: see docs/airflow.md, Memory")
        if context is not None and (store := context.get("task_state_store")) is not None:
            store.set(SIZE_KEY, grown.name)
        return AirflowException(
            f"{found.says}; the next try runs with the larger size {grown.name} (limit {grown.memory_limit})"
        )

    def _handed_over(self, pod: k8s.V1Pod | None) -> Any:
        if not self.result or pod is None:
            return None
        self.do_xcom_push = True  # only now: before, it would have asked for the sidecar
        return command.result(_said(pod))

    def _note_report(self, pod: k8s.V1Pod | None) -> None:
        if self.report is True and pod is not None:
            self.report = reports.named_in(_said(pod))


def _said(pod: k8s.V1Pod) -> str:
    """Return what the command handed over, which is the container's termination message."""
    end = terminated(pod)
    return (end.message if end else "") or ""
