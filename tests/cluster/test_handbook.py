"""docs/kubernetes.md is true: its commands, as they stand there, lead from an empty cluster to a `go build`."""

import json

import pytest

from cluster import handbook
from cluster.platform import Platform
from gopherwood.module import ModuleVersion
from gopherwood.store import key

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800), pytest.mark.xdist_group("cluster")]


def test_reader_names_what_is_his(platform: Platform) -> None:
    """The first block is what a reader sets for himself, and the test set the same names."""
    assert handbook.names() == platform.named


def test_commands_of_the_page_end_in_a_build(platform: Platform) -> None:
    """A first ingestion with its closure, and a build of what it brought, through the platform alone."""
    assert "ingest: success" in platform.printed
    assert "built with 3 modules" in platform.printed


def test_first_ingestion_is_in_bucket_catalog_and_ledger(platform: Platform) -> None:
    """What was wanted and what it requires are published: the upstream's bytes, an entry in the ledger each."""
    wanted = [ModuleVersion("example.com/first", "v1.0.0"), ModuleVersion("example.com/second", "v1.1.0")]
    with platform.catalog as catalog:
        assert set(catalog.ledger_known(wanted)) == set(wanted)
    for mv in wanted:
        theirs = platform.outside.upstream.files[platform.outside.upstream.key(mv.path, mv.version, ".zip")]
        assert platform.store.read(key(mv, ".zip")) == theirs


def test_airflow_in_a_pod_has_the_rights_of_the_chart_alone(platform: Platform) -> None:
    """It runs from its image by digest, as nobody in particular, and may start pods, but see no secret."""
    (pod,) = platform.cluster.get("pods", "-l", "app=gopherwood-airflow")
    assert all("gopherwood-airflow@sha256:" in each["image"] for each in pod["spec"]["containers"])
    account = "--as=system:serviceaccount:gopherwood:gopherwood-airflow"
    assert platform.may("create", "pods", account)
    assert platform.may("list", "nodes", account)
    assert not platform.may("get", "secrets", account)
    assert not platform.may("create", "pods", account, "--subresource=exec")


def test_secret_is_found_nowhere_but_in_secrets(platform: Platform) -> None:
    """No log of a task or a pod, no XCom, nothing that Airflow's API or helm shows has the key of the bucket."""
    run = next(each for each in platform.runs("ingest") if each["run_type"] == "manual")
    of_run = f"/api/v2/dags/ingest/dagRuns/{run['dag_run_id']}"
    said = [json.dumps(run), json.dumps(platform.api("GET", f"{of_run}/taskInstances"))]
    said.append(json.dumps(platform.api("GET", f"{of_run}/taskInstances/~/xcomEntries?limit=100")))
    assert "pod_name" in said[-1]
    for (task, index), (_, tries) in platform.tasks("ingest", run["dag_run_id"]).items():
        said += [platform.log("ingest", run["dag_run_id"], task, each, index) for each in range(1, tries + 1)]
    kinds = "pods,deployments,replicasets,jobs,configmaps,events,services,serviceaccounts"
    said += [platform.kubectl("get", kinds, "-o", "json"), platform.kubectl("describe", "pods")]
    for pod in platform.kubectl("get", "pods", "-o", "name").split():
        said.append(platform.kubectl("logs", pod, "--all-containers", "--ignore-errors"))
    said += [platform.helm("get", "all", release) for release in ("gopherwood", "gopherwood-serving")]
    assert handbook.CANARY not in "".join(said)
    assert any("AWS_SECRET_ACCESS_KEY" in each["data"] for each in platform.cluster.get("secrets"))
