"""Our processes, the pods they run in and the nodes below, which kube-state-metrics and the kubelets tell of."""

from gopherwood_dashboards import Board, Panel
from gopherwood_dashboards.boards.shared import RATE

OURS = 'namespace=~"gopherwood.*"'
OF_SERVING = 'job="gopherwood-serving"'
RESTARTS = f"increase(kube_pod_container_status_restarts_total{{{OURS}}}[1h]) > 0"
KILLED = f'kube_pod_container_status_last_terminated_reason{{{OURS},reason="OOMKilled"}}'
MEMORY = f'max by (pod) (container_memory_working_set_bytes{{{OURS},container!=""}})'
LIMIT = 'max by (pod) (kube_pod_container_resource_limits{resource="memory"})'
CORES = f'sum by (pod) (rate(container_cpu_usage_seconds_total{{{OURS},container!=""}}[{RATE}]))'
HELD_BACK = f"sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{{{OURS}}}[{RATE}]))"
PERIODS = f"sum by (pod) (rate(container_cpu_cfs_periods_total{{{OURS}}}[{RATE}]))"
NOT_READY = 'kube_node_status_condition{condition="Ready",status!="true"} == 1'
DISK = 'node_filesystem_avail_bytes{mountpoint="/"} / node_filesystem_size_bytes{mountpoint="/"}'

PROCESSES = [
    Panel("Scraped", "short", [('up{job=~"gopherwood.*"}', "{{job}} {{instance}}")]),
    Panel(
        "Cores, serving",
        "short",
        [(f"rate(process_cpu_seconds_total{{{OF_SERVING}}}[{RATE}])", "{{instance}} {{worker}}")],
    ),
    Panel("Memory, serving", "bytes", [(f"process_resident_memory_bytes{{{OF_SERVING}}}", "{{instance}} {{worker}}")]),
    Panel("Hot answers in memory", "bytes", [("gopherwood_serving_memory_bytes", "{{instance}} {{worker}}")]),
    Panel("How long the exporter's sources take", "s", [("gopherwood_exporter_ask_seconds", "{{source}}")]),
    Panel("Exporters by version", "short", [("count by (version) (gopherwood_build_info)", "{{version}}")], "bargauge"),
]
PODS = [
    Panel("Pods by phase", "short", [(f"sum by (phase) (kube_pod_status_phase{{{OURS}}})", "{{phase}}")]),
    Panel("Restarts, an hour", "short", [(RESTARTS, "{{pod}}")]),
    Panel("Killed for memory", "short", [(KILLED, "{{pod}}")]),
    Panel("Memory beside its limit", "percentunit", [(f"{MEMORY} / on (pod) {LIMIT}", "{{pod}}")], bad_above=0.9),
    Panel("Cores", "short", [(CORES, "{{pod}}")]),
    Panel("Held back by a limit", "percentunit", [(f"{HELD_BACK} / {PERIODS}", "{{pod}}")]),
]
MACHINES = [
    Panel("Nodes by pool", "short", [("count by (label_node_pool) (kube_node_labels)", "{{label_node_pool}}")]),
    Panel("Not ready", "short", [(NOT_READY, "{{node}}")]),
    Panel("Disk left", "percentunit", [(DISK, "{{instance}}")]),
]

NODES = Board("nodes", "Nodes and pods", [("Our processes", PROCESSES), ("Pods", PODS), ("Nodes", MACHINES)])
