"""A training stopped between any two steps goes on to the bytes of the one that was not."""

import random
import signal

import numpy as np
import pytest
import torch

from cystgrid.cohort.splits import InnerFold
from cystgrid.errors import StoreError
from cystgrid.preparation.store import Store
from cystgrid.training import keeping
from cystgrid.training.keeping import Keep
from cystgrid.training.member import Task, train_member
from cystgrid.training.site import this_site
from cystgrid.training.state_file import read_state, read_told, write_state
from training.conftest import make_recipe

FOLD = InnerFold(tuple(f"p{n:02}" for n in range(9)), tuple(f"p{n:02}" for n in range(9, 15)))
VIT = "timm:test_vit"
RATES = {"learning_rate": (3e-3, 1e-3, 3e-4)}


class KilledError(Exception):
    pass


def make_task(model=VIT, inputs="early", *, search=None, **training):
    settings = {"epochs": 3, "batch": 3, "learning_rate": 3e-3, **training}
    return Task(FOLD, make_recipe((model,), search=search, **settings), model, inputs, seed=5)


def train(prepared, task, keep=None):
    return train_member(Store.open(prepared), task, keep=keep)


def same(first, second):
    states = first.member.network.state(), second.member.network.state()
    return (
        all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        and first.curve == second.curve
        and first.trials == second.trials
        and np.array_equal(first.validation, second.validation)
    )


def killed(prepared, task, keep, monkeypatch, writes):
    """Begin, or go on with, a training; write after every step, and end after so many writes."""
    count = [0]

    def write(*args):
        write_state(*args)
        count[0] += 1
        if count[0] == writes:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(keeping, "EVERY_SECONDS", 0.0)
        patch.setattr(keeping, "SHARE", 0.0)
        patch.setattr(keeping, "write_state", write)
        with pytest.raises(KilledError):
            train(prepared, task, keep)


@pytest.fixture
def keep(tmp_path):
    return Keep(tmp_path / "state.safetensors", "a key")


CASES = {
    "a transformer": {},
    "bfloat16": {"precision": "bfloat16"},
    "Adam": {"optimizer": "adam", "schedule": "constant"},
    "SGD with momentum": {"optimizer": "sgd"},
    "patience": {"patience": 1, "epochs": 6},
    "seldom looks": {"evaluate_every": 2},
    "batch norm": {"model": "resnet18"},
    "batch norm in bfloat16": {"model": "resnet18", "precision": "bfloat16"},
    "dropout": {"model": "mobilenet_v2"},
    "late fusion": {"inputs": "late"},
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_stopped_twice_in_the_middle_of_epochs_ends_with_the_same_bytes(
    prepared, keep, monkeypatch, case
):
    task = make_task(**CASES[case])
    killed(prepared, task, keep, monkeypatch, writes=2)  # in the first epoch
    first = read_told(keep.path)["courses"][0]
    killed(prepared, task, keep, monkeypatch, writes=4)  # in the second
    second = read_told(keep.path)["courses"][0]
    assert (first["taken"], second["taken"], second["epoch"]) == (2, 5, 2)
    assert same(train(prepared, task, keep), train(prepared, task))


@pytest.mark.parametrize("lost", ["generator", "random", "moment/exp_avg", "losses"])
def test_whatever_is_left_out_of_a_state_is_missed(prepared, keep, monkeypatch, lost):
    """Control: each part of a state decides bytes."""
    task = make_task("mobilenet_v2")  # it has dropout
    killed(prepared, task, keep, monkeypatch, writes=2)
    state = read_state(keep.path)
    wrong = {
        name: torch.zeros_like(tensor) if tensor.is_floating_point() else other(name, tensor)
        for name, tensor in state.tensors.items()
        if name.startswith(f"0/{lost}")
    }
    assert wrong
    write_state(keep.path, state.told, {**state.tensors, **wrong})
    assert not same(train(prepared, task, keep), train(prepared, task))


def other(name, tensor):
    """The state of another generator."""
    return torch.Generator().manual_seed(77).get_state()


@pytest.mark.parametrize("method", ["grid", "halving", "optuna"])
def test_a_search_goes_on_with_the_candidates_that_were_begun(
    prepared, tmp_path, monkeypatch, method
):
    if method == "optuna":
        pytest.importorskip("optuna")
    task = make_task(search={"method": method, "space": RATES, "trials": 4}, evaluate_every=1)
    whole = train(prepared, task)
    lot = random.Random(method)
    steps = 3 * sum(trial.trained for trial in unique(whole.trials))
    for number in range(3):
        keep = Keep(tmp_path / f"{number}.safetensors", "a key")
        writes = lot.randrange(2, steps)
        killed(prepared, task, keep, monkeypatch, writes)
        begun = count_begun(monkeypatch)
        assert same(train(prepared, task, keep), whole), writes
        ended = sum(bool(each and each["ended"]) for each in read_told(keep.path)["courses"])
        assert len(begun) <= len(unique(whole.trials)) - ended, "an ended candidate is begun"


def unique(trials):
    return list({tuple(trial.values.items()): trial for trial in trials}.values())


def count_begun(monkeypatch):
    from cystgrid.training import network_member

    begun, begin = [], network_member.begin

    def counting(*args, **named):
        begun.append(1)
        return begin(*args, **named)

    monkeypatch.setattr(network_member, "begin", counting)
    return begun


def test_a_state_that_is_damaged_or_another_s_is_not_used(prepared, keep, monkeypatch):
    task = make_task()
    killed(prepared, task, keep, monkeypatch, writes=4)
    good, site = keep.path.read_bytes(), this_site()
    assert keep.fault(site) is None
    begun = count_begun(monkeypatch)
    whole = train(prepared, task)
    for fault, bad, asked in (
        ("damaged", good[:-5], keep),
        ("damaged", good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], keep),
        ("damaged", b"", keep),
        ("of another", good, Keep(keep.path, "another key")),
    ):
        keep.path.write_bytes(bad)
        assert asked.fault(site).startswith(fault)
        ticks = []
        found = train_member(Store.open(prepared), task, lambda t=ticks: t.append(1), asked)
        assert same(found, whole)
    assert len(begun) == 5


def test_a_state_of_other_packages_is_another_s(keep):
    here = this_site()
    versions = {**here.versions, "torch": "0"}
    elsewhere = type(here)(here.device, here.auto, here.processor, here.code, versions)
    assert keep.key_at(here) != keep.key_at(elsewhere)
    kernel = type(here)(
        here.device, here.auto, here.processor, here.code, {**here.versions, "platform": "other"}
    )
    assert keep.key_at(here) == keep.key_at(kernel)


def test_short_trainings_write_no_state_and_slow_writes_are_seldom(prepared, keep, monkeypatch):
    train(prepared, make_task(), keep)
    assert not keep.path.exists()
    clock, writes = [0.0], []

    def write(*args):
        writes.append(clock[0])
        clock[0] += 2.0  # seconds that it takes

    monkeypatch.setattr(keeping, "write_state", write)
    monkeypatch.setattr(keeping.time, "monotonic", lambda: clock[0])
    keeper = keeping.Keeper(keep, lambda: False)
    while clock[0] < 1000:
        clock[0] += 1.0  # a step
        keeper.after_step()
    assert writes[0] == keeping.EVERY_SECONDS
    pauses = np.diff(writes) - 2.0
    assert len(pauses) > 2 and (pauses == 2.0 * keeping.SHARE).all()


def test_ctrl_c_puts_the_training_away_after_the_step_and_a_second_ends_it_now(
    prepared, keep, monkeypatch, ctrl_c
):
    task = make_task()
    steps = []
    monkeypatch.setattr(keeping.Keeper, "after_step", interrupted(steps, times=1))
    with pytest.raises(KeyboardInterrupt):
        train(prepared, task, keep)
    assert read_told(keep.path)["courses"][0]["taken"] == len(steps) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    assert same(train(prepared, task, keep), train(prepared, task))
    keep.forget()
    monkeypatch.setattr(keeping.Keeper, "after_step", interrupted([], times=2))
    with pytest.raises(KeyboardInterrupt):
        train(prepared, task, keep)
    assert not keep.path.exists()


def interrupted(steps, times, after_step=keeping.Keeper.after_step):
    """Ctrl-C, so many times, during the second step."""

    def step(keeper):
        steps.append(1)
        if len(steps) == 2:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        after_step(keeper)

    return step


def test_every_bit_of_a_state_is_looked_at(tmp_path):
    path, lot = tmp_path / "state.safetensors", random.Random(0)
    tensors = {"b": torch.arange(6).view(2, 3), "a": torch.rand(3), "c": torch.tensor(1.5)}
    tensors |= {"half": torch.rand(5).bfloat16(), "bytes": torch.arange(7, dtype=torch.uint8)}
    write_state(path, {"told": [1, None, 0.1]}, tensors)
    state = read_state(path)
    assert state.told["told"] == [1, None, 0.1]
    assert set(state.tensors) == set(tensors)
    assert all(torch.equal(state.tensors[name], tensors[name]) for name in tensors)
    good = path.read_bytes()
    for _ in range(200):
        bad = bytearray(good)
        bad[lot.randrange(len(good))] ^= 1 << lot.randrange(8)
        path.write_bytes(bad if lot.random() < 0.7 else good[: lot.randrange(len(good))])
        with pytest.raises(StoreError):
            read_state(path)
