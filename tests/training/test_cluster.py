"""Trainings on a Ray cluster of two nodes: the same bytes, whatever becomes of the nodes."""

import os
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cystgrid.cohort.splits import SplitSettings
from cystgrid.errors import SettingsError, StoreError, UsageError, WeightsError
from cystgrid.training import engine, nested
from cystgrid.training.deploy import train_model
from cystgrid.training.engine import Cluster, open_engine
from cystgrid.training.nested import cross_validate
from cystgrid.training.settings import DeploySettings
from cystgrid.training.site import this_site
from training.conftest import make_recipe

ray = pytest.importorskip("ray", reason="ray is not installed: no cluster here")

from cystgrid.training.cluster import engine as engine_of_ray  # noqa: E402 - needs ray
from cystgrid.training.cluster import nodes as cluster_nodes  # noqa: E402
from cystgrid.training.cluster import visit  # noqa: E402
from cystgrid.training.cluster.connection import connected  # noqa: E402
from training import doomed_node  # noqa: E402

SPLITS = SplitSettings(folds=3, turns=1)
SMALL = "timm:test_vit"
"""timm's smallest transformer: what is trained matters less here than where."""

OWN_FOLDER = Path("/proc/self/cwd")
"""Another folder in every process: what lies there is seen by nobody else."""

apart_here = pytest.mark.skipif(not OWN_FOLDER.exists(), reason="no /proc: all folders are shared")


@pytest.fixture(scope="module")
def nodes():
    """A head and another node, one core each."""
    from ray.cluster_utils import Cluster as Nodes

    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)  # nodes find what the tests give them to do
        two = Nodes(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        two.add_node(num_cpus=1)
        yield two
        two.shutdown()


@pytest.fixture
def cluster(nodes):
    said = []
    return replace(Cluster(nodes.address), say=said.append), said


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A network, and a model that reads a table beside the prepared patients."""
    table = tmp_path_factory.mktemp("table") / "features.csv"
    rows = [f"p{n:02},{n % 3 + n / 100},{n % 5}" for n in range(18)]
    table.write_text("\n".join(["patient,size,age", *rows]) + "\n")
    features = {"file": str(table), "columns": ("size", "age")}
    return make_recipe(names=(SMALL, "features-boosting"), models={"features": features})


def run(prepared, folder, recipe, cluster=None):
    return cross_validate(
        prepared, folder, recipe, SPLITS,
        workers=0 if cluster is None else None, cluster=cluster, quiet=True,
    )  # fmt: skip


def files_of(folder):
    """Every file's bytes."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def alone(prepared, recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    run(prepared, folder, recipe)
    return files_of(folder)


def never(job, tick):
    raise AssertionError("a finished training was repeated")


def test_nodes_that_share_the_folder_write_the_same_run_there(
    prepared, recipe, alone, cluster, tmp_path, monkeypatch
):
    asked, said = cluster
    run(prepared, tmp_path, recipe, asked)
    assert files_of(tmp_path) == alone
    assert "nodes: 2; trainings at a time: 2;" in said[-1]
    assert "written by the nodes" in said[-1]
    monkeypatch.setattr(nested, "run_training", never)
    run(prepared, tmp_path, recipe, asked)
    assert files_of(tmp_path) == alone


@apart_here
def test_nodes_that_see_nothing_of_ours_give_the_same_run(
    prepared, recipe, alone, cluster, tmp_path, monkeypatch
):
    asked, said = cluster
    shutil.copytree(prepared, tmp_path / "prepared")
    shutil.copy(recipe.models.features.file, tmp_path)
    monkeypatch.chdir(tmp_path)
    features = recipe.models.features.model_copy(update={"file": str(OWN_FOLDER / "features.csv")})
    models = recipe.models.model_copy(update={"features": features})
    hidden = recipe.model_copy(update={"models": models})
    secret = f"{os.getpid():016x}"
    monkeypatch.setattr(engine_of_ray, "secrets", SimpleNamespace(token_hex=lambda size: secret))
    run(OWN_FOLDER / "prepared", OWN_FOLDER / "run", hidden, asked)
    assert files_of(tmp_path / "run") == alone
    assert "files shipped: 2; results are fetched" in said[-1]
    assert not (Path(tempfile.gettempdir()) / f"cystgrid-{secret}").exists(), "left on a node"


def test_a_lost_node_costs_only_its_running_trainings(
    prepared, alone, nodes, cluster, tmp_path, monkeypatch, capfd
):
    doomed = nodes.add_node(num_cpus=1)
    steps = []

    @contextmanager
    def bar(title, total, *, quiet):
        yield steps.append
        assert sum(steps) == total

    def remove():
        while not list(tmp_path.glob("jobs/*/*/*/state.safetensors")):
            time.sleep(0.1)
        nodes.remove_node(doomed, allow_graceful=False)

    def begun():
        path = tmp_path / "begun"
        return path.read_text().split() if path.exists() else []

    (tmp_path / "doomed").write_text(doomed.node_id)
    monkeypatch.setattr(nested, "run_training", doomed_node.start_on_the_doomed_node)
    monkeypatch.setattr(engine, "progress_bar", bar)
    remover = threading.Thread(target=remove, daemon=True)
    remover.start()
    path = run(prepared, tmp_path, make_recipe((SMALL,)), cluster[0])
    remover.join()
    rows = alone["predictions.csv"].decode().splitlines()
    assert path.read_text().splitlines() == [r for r in rows if not r.startswith("features")]
    assert begun().count(doomed.node_id) == 1
    assert len(begun()) == 3 + 1, "a training that was not lost was repeated"
    assert len((tmp_path / "gone-on").read_text().split()) == 1, "it did not go on from its state"
    assert min(steps) > 0
    assert capfd.readouterr().err == "", "Ray talks to the terminal"


def test_a_node_that_went_away_before_it_was_asked_is_left_out(nodes, cluster):
    doomed = nodes.add_node(num_cpus=1)
    said = []
    with connected(cluster[0].address, 1, debug=False):
        listed = cluster_nodes.live_nodes()
        nodes.remove_node(doomed, allow_graceful=False)
        load = cluster_nodes.Load(1, 0)
        answers = cluster_nodes.ask(listed, visit.site_of_node, 0, load=load, say=said.append)
    assert doomed.node_id in {node.id for node in listed}
    assert {node.id for node in answers} == {node.node_id for node in nodes.list_all_nodes()}
    assert any("went away and is left out" in line for line in said)


def test_a_node_that_does_not_remove_in_time_what_was_shipped_is_named(
    cluster, monkeypatch, tmp_path
):
    asked, said = cluster
    release = tmp_path / "release"
    monkeypatch.setattr(engine_of_ray, "SWEEP_SECONDS", 0.5)
    monkeypatch.setattr(visit, "sweep", doomed_node.sweep_when_released)
    with engine_of_ray.open_ray(asked, None, 1) as ray_engine:
        ray_engine._sweep(str(release))
        release.touch()
    late = [line for line in said if f"remove the folder {release}" in line]
    assert len(late) >= len(ray_engine.nodes)  # Ray lists a node that was lost for a while
    assert all(any(node.name in line for line in late) for node in ray_engine.nodes)


def test_an_error_on_a_node_comes_back_as_it_was(prepared, cluster, tmp_path):
    recipe = make_recipe(models={"weights": str(tmp_path / "gone.pth")})
    with pytest.raises(WeightsError, match=r"gone\.pth: got no such file"):
        run(prepared, tmp_path / "run", recipe, cluster[0])
    assert not list((tmp_path / "run").rglob("job.json"))
    assert not list((tmp_path / "run").rglob(".cystgrid-*"))


@apart_here
def test_a_deployable_model_is_the_same(prepared, cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = DeploySettings(folds=3, members=2)
    here, there = (tmp_path / "here", OWN_FOLDER / "there")
    train_model(prepared, here, make_recipe((SMALL,)), settings, workers=0, quiet=True)
    train_model(prepared, there, make_recipe((SMALL,)), settings, cluster=cluster[0], quiet=True)
    assert files_of(tmp_path / "there") == files_of(here)


def test_nodes_that_differ_are_refused_by_name():
    mine = this_site()
    first, second = (cluster_nodes.Node(str(n), f"node-{n}", 1, 0) for n in range(2))
    other_kernel = replace(mine, versions={**mine.versions, "platform": "another kernel"})
    assert cluster_nodes.agreed_site({first: mine, second: other_kernel}) == mine
    for changed in (
        {"device": "cuda"},
        {"auto": "float32" if mine.auto == "bfloat16" else "bfloat16"},
        {"processor": "another"},
        {"code": "another"},
        {"versions": {**mine.versions, "torch": "0"}},
    ):
        with pytest.raises(StoreError, match=r"node node-1: .*as on node node-0"):
            cluster_nodes.agreed_site({first: mine, second: replace(mine, **changed)})
    with pytest.raises(StoreError, match=r"node node-0: cystgrid's source: .*as on this machine"):
        cluster_nodes.agreed_site({first: replace(mine, code="another")})
    other_torch = replace(mine, versions={**mine.versions, "torch": "0"})
    assert cluster_nodes.agreed_site({first: other_torch}) == other_torch, "the nodes count"


@pytest.mark.parametrize(
    ("cpus", "gpus", "share"), [(8, 0, 0), (8, 1, 1 / 4), (2, 1, 1 / 2), (1, 2, 1), (16, 8, 1 / 2)]
)
def test_the_usual_share_of_a_gpu_keeps_the_cores_busy(cpus, gpus, share):
    machine = cluster_nodes.Node("0", "node", cpus, gpus)
    found = cluster_nodes.share_of_gpu([machine, replace(machine, gpus=0)], 1)
    assert found == share
    assert machine.carries(cluster_nodes.Load(1, found)) == min(cpus, 4 * gpus or cpus)


def test_a_job_that_no_node_can_take_is_refused():
    machine = cluster_nodes.Node("0", "node", 4, 0)
    for load in (cluster_nodes.Load(5, 0), cluster_nodes.Load(1, 0.5)):
        with pytest.raises(UsageError, match=r"at most what a node has \(node: 4 and 0\)"):
            cluster_nodes.able_nodes([machine], load)


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("127.0.0.1:1", SettingsError, "no connection"),
        ("ray://127.0.0.1:1", SettingsError, "no connection"),
        ("nonsense", UsageError, "HOST:PORT"),
        ("http://127.0.0.1:1", UsageError, "HOST:PORT"),
    ],
)
def test_an_address_that_answers_not_is_said_in_one_line(address, kind, words):
    with pytest.raises(kind, match=words), open_engine(Cluster(address), None, 1):
        pass


def test_without_ray_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(SettingsError, match=r"pip install 'cystgrid\[cluster\]'"),
        open_engine(Cluster(), None, 1),
    ):
        pass
