"""A training on trial: what it costs on this machine, in seconds and bytes, part by part.

The study's own job is run, into a folder that is thrown away: once on one batch, which also loads
what a process loads once, and then on as many patients and epochs as the time given allows.
"""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import chain, pairwise, zip_longest
from pathlib import Path

import torch

from cystgrid.cohort.splits import InnerFold
from cystgrid.preparation.store import Store
from cystgrid.provenance import write_json
from cystgrid.training.job import Training, run_training
from cystgrid.training.recipe import Recipe
from cystgrid.training.search import SearchSettings
from cystgrid.training.settings import TrainingSettings

FEWEST_EPOCHS, MOST_EPOCHS = 4, 60
"""Of a trial. Every second one has a look at the validation fold, and the first is a warm-up."""

FEWEST_PATIENTS = 12
"""Of an estimator's first trial: some of every class, or it cannot be fitted."""


@dataclass(frozen=True)
class Cost:
    """What one training costs.

    Attributes:
        process: number of the process that was measured.
        began: when its trial began, in seconds since 1970.
        once: seconds that only the first such training of a process takes.
        begin: seconds before the first epoch, without reading patients.
        load: seconds for each patient that is read.
        train: seconds for each training patient and epoch (without epochs: and fit).
        look: seconds for each validation patient and look.
        end: seconds after the last epoch, without the test patients.
        answer: seconds for each test patient.
        step: seconds of one optimiser step; 0 for a model that takes none.
        memory: peak bytes of the process so far.
        device_memory: peak bytes on the GPU so far.
        disk: bytes that one training leaves.
        whole: whether all of its patients were on trial.
    """

    process: int
    began: float
    once: float
    begin: float
    load: float
    train: float
    look: float
    end: float
    answer: float
    step: float
    memory: int
    device_memory: int
    disk: int
    whole: bool

    def seconds(self, job: Training) -> float:
        """Of a whole training, in a process that has had one before."""
        read = len(job.fold.train) + len(job.fold.validation)
        looks = math.ceil(job.epochs / job.recipe.training_of(job.model).evaluate_every)
        return (
            self.begin
            + self.load * read
            + self.train * len(job.fold.train) * job.epochs
            + self.look * len(job.fold.validation) * looks
            + self.end
            + self.answer * len(job.test)
        )


@dataclass(frozen=True)
class Trial:
    """A job of its own: one training of the study to be tried.

    Attributes:
        training: as the study has it.
        folder: of the trial; holds nothing that is kept.
        budget: seconds that it may take, more or less.
    """

    training: Training
    folder: Path
    budget: float

    @property
    def model(self) -> str:
        """Name in the study."""
        return self.training.model

    @property
    def prepared(self) -> Path:
        """Folder of the store."""
        return self.training.prepared

    @property
    def recipe(self) -> Recipe:
        """The study's."""
        return self.training.recipe

    @property
    def record(self) -> Path:
        """Where its ``Cost`` is written."""
        return self.folder / "cost.json"

    @property
    def epochs(self) -> int:
        """It ticks once."""
        return 1


def run_trial(job: Trial, tick: Callable[[], None]) -> None:
    """Measure, and write ``job.record``."""
    began, start = time.time(), time.perf_counter()
    network = job.recipe.models.entry(job.model).family == "network"
    settings = job.recipe.training_of(job.model)
    most = len(job.training.fold.train)
    few = min(settings.batch if network else FEWEST_PATIENTS, most)
    first = _shortened(job, few, epochs=2, every=1)
    stamps = _stamps(first)
    left = job.budget - (time.perf_counter() - start)
    if network:
        epoch = stamps[2] - stamps[1]
        batches = max(int(left / (FEWEST_EPOCHS * epoch)), 1)
        count = min(batches * settings.batch, most)
        epochs = int(left / (epoch * math.ceil(count / settings.batch))) // 2 * 2
        epochs = min(max(epochs, FEWEST_EPOCHS), MOST_EPOCHS)
    else:
        count, epochs = min(max(int(few * left / (stamps[-1] - stamps[0])), few), most), 1
    second = _shortened(job, count, epochs=epochs, every=2)
    cost = _cost(second, _stamps(second), batch=settings.batch if network else 0)
    cost = replace(
        cost,
        began=began,
        once=max(stamps[-1] - stamps[0] - cost.seconds(first), 0.0),
        # what an estimator keeps of patients (support vectors) grows with them; a network does not
        disk=cost.disk if network else math.ceil(cost.disk * most / count),
        whole=count == most,
    )
    write_json(job.record, asdict(cost))
    tick()


def _shortened(job: Trial, patients: int, *, epochs: int, every: int) -> Training:
    """The same training on a part of its patients and for fewer epochs, into the trial's folder."""
    whole = job.training
    share = patients / len(whole.fold.train)
    store = Store.open(whole.prepared)

    def part(names: tuple[str, ...]) -> tuple[str, ...]:
        classes = len(job.recipe.classes)
        return _of_every_class(store, names)[: max(math.ceil(share * len(names)), classes)]

    settings = TrainingSettings.parse(
        {
            **job.recipe.training_of(whole.model).model_dump(),
            "epochs": epochs,
            "evaluate_every": every,
        },
        "trial",
    )
    recipe = job.recipe.model_copy(
        update={"training": settings, "recipes": {}, "search": SearchSettings()}
    )
    train = _of_every_class(store, whole.fold.train)[:patients]
    fold = InnerFold(train, part(whole.fold.validation))
    folder = job.folder / "training"
    return replace(whole, fold=fold, test=part(whole.test), folder=folder, recipe=recipe)


def _of_every_class(store: Store, names: Iterable[str]) -> tuple[str, ...]:
    """Patients in an order in which the classes take turns."""
    by_label: dict[str | None, list[str]] = defaultdict(list)
    for name in names:
        by_label[store.entries[name].label].append(name)
    turns = chain.from_iterable(zip_longest(*by_label.values()))
    return tuple(name for name in turns if name is not None)


def _stamps(training: Training) -> list[float]:
    """When it began, when each epoch ended, when all was on disk."""
    stamps = [time.perf_counter()]
    run_training(training, lambda: stamps.append(time.perf_counter()))
    return [*stamps, time.perf_counter()]


def _cost(job: Training, stamps: list[float], *, batch: int) -> Cost:
    """The parts of a trial's time; ``batch`` is 0 for a model without epochs."""
    train, validation, test = len(job.fold.train), len(job.fold.validation), len(job.test)
    load = _seconds_to_load(job)
    first, *epochs, end = [b - a for a, b in pairwise(stamps)]
    if batch:
        plain = statistics.median(epochs[1::2])  # after the warm-up, those without a look
        look = max(statistics.median(epochs[::2]) - plain, 0.0) / validation
        per_patient, answer, step = plain / train, load + look, plain / math.ceil(train / batch)
        begin = first - plain - load * (train + validation)
        end -= answer * test
    else:
        look, begin, step = 0.0, 0.0, 0.0
        per_patient = (first - load * (train + validation)) / train
        answer, end = end / test, 0.0
    disk = sum(path.stat().st_size for path in job.folder.iterdir())
    return Cost(
        os.getpid(), 0.0, 0.0, begin, load, per_patient, look, end, answer, step,
        peak_memory(), _device_memory(), disk, whole=False,
    )  # fmt: skip


def _seconds_to_load(job: Training) -> float:
    """Of one patient, as a training reads it."""
    store = Store.open(job.prepared)
    start = time.perf_counter()
    for name in job.fold.train:
        store.load(name)
    return (time.perf_counter() - start) / len(job.fold.train)


def peak_memory() -> int:
    """Most bytes of memory that this process has ever held; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _device_memory() -> int:
    return int(torch.cuda.max_memory_reserved()) if torch.cuda.is_available() else 0
