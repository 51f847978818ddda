"""Experiments on pods, against a real HTTP server that speaks Kubernetes: evict and delete are two things."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes import damage
from fakes.kubeapi import KubeApi
from gopherwood import store
from gopherwood.catalog import Catalog
from gopherwood.chaos import experiment as experiments
from gopherwood.chaos.button import CONFIG_MAP
from gopherwood.chaos.kube import Kube
from gopherwood.errors import ConfigError
from gopherwood.module import ModuleVersion

SERVING = {"app": "gopherwood-serving", "gopherwood/chaos": "true"}


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """Serve two old serving pods that have opted in, and their budget."""
    with KubeApi() as api:
        (tmp_path / "kubeconfig").write_text(api.kubeconfig)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        monkeypatch.setenv("GOPHERWOOD_POD_NAMESPACE", "gopherwood")
        api.reborn = True
        for name in ("web-a", "web-b"):
            api.add_replica(name, **SERVING)
        api.add_budget(1, app="gopherwood-serving")
        yield api


@pytest.fixture
def quick(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that makes a file of an experiment without clients, and without serving."""

    def make(name: str) -> str:
        said = json.loads(experiments.shipped()[name].read_text())
        said["extensions"][0].pop("observe", None)
        said["extensions"][0]["tolerate"] = {}
        probes = said["steady-state-hypothesis"]["probes"]
        said["steady-state-hypothesis"]["probes"] = [each for each in probes if "serving" not in each["name"]]
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(said))
        return str(file)

    return make


@pytest.mark.parametrize(("name", "how"), [("serving-pod-evicted", "evicted"), ("serving-pod-deleted", "deleted")])
def test_one_of_two_goes_and_another_comes(lab, api, quick, name, how):
    """One pod is evicted, or deleted; the run passes once as many are ready as before, and leaves no button."""
    found = lab.execute(quick(name))
    assert (found.verdict, found.reason) == ("pass", "")
    assert (len(api.evicted), len(api.deleted)) == ((1, 0) if how == "evicted" else (0, 1))
    (victim,) = [each["victim"] for each in lab.journal(found.run).all("begin")]
    assert victim["identity"] in ("uid-web-a", "uid-web-b")
    assert api.config_maps == set()


def test_a_dry_run_names_the_victim_and_leaves_it_alone(lab, api, quick):
    found = lab.chaos(quick("serving-pod-deleted"))
    assert found.verdict == "dry-run"
    assert "delete web-" in found.reason
    assert (api.deleted, api.config_maps) == ([], set())


def refused(lab, name: str) -> str:
    found = lab.execute(name)
    assert (found.verdict, found.exit_code) == ("refused", 99)
    return found.reason


def test_the_budget_refuses_also_a_deletion(lab, api, quick):
    """A budget that allows nobody to go holds off a deletion, which would not ask it."""
    api.budgets[0]["status"]["disruptionsAllowed"] = 0
    assert "disruption budget" in refused(lab, quick("serving-pod-deleted"))
    assert api.deleted == []


def test_429_of_an_eviction_is_refused_by_budget(lab, api, quick):
    """A budget that covers other pods in our eyes, and these in the cluster's, refuses with 429."""
    api.budgets[0] = {"spec": {"selector": {"matchLabels": {"app": "other"}}}, "status": {"disruptionsAllowed": 0}}
    assert "refused by budget" in refused(lab, quick("serving-pod-evicted"))
    assert api.evicted == []


def test_pods_that_have_not_opted_in_are_left_alone(lab, api, quick):
    for pod in api.pods.values():
        pod["metadata"]["labels"]["gopherwood/chaos"] = "false"
    assert "has opted in" in refused(lab, quick("serving-pod-deleted"))


def test_other_namespaces_are_left_alone(lab, api, quick):
    for pod in api.pods.values():
        pod["metadata"]["namespace"] = "other"
    assert "nobody of them is of gopherwood" in refused(lab, quick("serving-pod-deleted"))


def test_opting_out_in_the_last_moment_counts(lab, api, quick):
    """A label that was taken away after the pod was chosen saves it."""
    looked = []

    def before(name: str) -> None:
        looked.append(name)
        if len(looked) == 5:  # twice two looks, at labels for budgets; then the last one
            api.pods[name]["metadata"]["labels"]["gopherwood/chaos"] = "false"

    api.before_get = before
    assert "has opted out" in refused(lab, quick("serving-pod-deleted"))
    assert api.deleted == []


def test_harm_to_the_store_fails_whatever_else_was_well(lab, api, quick):
    """A published zip that is not what it was after the deed is a failure of integrity: exit code 3."""
    objects, key = store.open_store(lab.settings), store.key(ModuleVersion("example.com/m0", "v1.0.0"), ".zip")
    api.before_get = lambda _name: damage.rewrite(objects, key, lambda _data: b"other") and None
    found = lab.execute(quick("serving-pod-deleted"))
    assert (found.verdict, found.exit_code) == ("fail", 3)
    assert "acknowledged-is-served" in found.reason
    with Catalog.open(lab.settings) as catalog:
        assert [each.event.kind for each in catalog.events()][-2:] == ["chaos-fail", "integrity"]


def test_a_drain_cordons_evicts_and_is_rolled_back(lab, api, quick):
    """The node takes no pods while it is drained, and takes them again afterwards."""
    api.add_node("n1")
    found = lab.execute(quick("node-drained"))
    assert found.verdict == "pass", found.reason
    assert len(api.evicted) >= 1
    assert api.nodes[0]["spec"] == {"unschedulable": False}
    assert "takes pods again" in lab.journal(found.run).last("undone")["says"]


def test_without_the_right_to_cordon_there_is_no_drain(lab, api, quick):
    api.add_node("n1")
    api.forbidden.add("cordon")
    assert "may not cordon" in refused(lab, quick("node-drained"))
    assert api.evicted == []


def test_deleting_the_config_map_ends_it(lab, api, quick, when):
    """Whoever deletes the ConfigMap ends the run, which is then inconclusive."""
    api.reborn = False  # so that it waits for a pod that never comes
    when(lambda: CONFIG_MAP in api.config_maps and api.deleted, lambda: api.config_maps.discard(CONFIG_MAP))
    found = lab.execute(quick("serving-pod-deleted"))
    assert (found.verdict, "stop button" in found.reason) == ("inconclusive", True)


def test_no_cluster_is_said(lab, monkeypatch, tmp_path):
    """Without a cluster an experiment on pods ends with what to do."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no cluster"):
        Kube.here()
    found = lab.execute("serving-pod-deleted")
    assert (found.verdict, "no cluster" in found.reason) == ("refused", True)
