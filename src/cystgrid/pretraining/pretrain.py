"""The pretraining: one straight loop over the stream, from which a stopped one goes on exactly."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from cystgrid.models.network import Shape
from cystgrid.models.registry import build_model
from cystgrid.models.vit import PATCH
from cystgrid.pretraining.feed import feed
from cystgrid.pretraining.reader import Reader, explained, join, loss
from cystgrid.pretraining.settings import PretrainSettings
from cystgrid.pretraining.state import Progress, Row, lay_as_weights, load_state, save_state
from cystgrid.pretraining.stream import LabelledGrids, Stream
from cystgrid.pretraining.tissues import Fact
from cystgrid.progress import progress_bar
from cystgrid.training.device import arithmetic, reproducible, resolve_precision, training_device
from cystgrid.training.masters import Masters
from cystgrid.training.optimise import parameter_groups, warm_cosine

VALIDATION_SEED = 2**31
"""Added to the stream's seed: no validation grid is ever learned from."""

BETAS = (0.9, 0.99)
"""Of AdamW: gradients of small batches of ever new grids are averaged over a hundred steps."""

RECENT = 0.05
"""Weight of a step's loss in the running mean that the curve shows."""


def pretrain(
    settings: PretrainSettings, state: Path, key: str, *, workers: int, quiet: bool
) -> tuple[Reader, tuple[Row, ...]]:
    """Learn from the stream, or go on with it.

    Args:
        settings: of the pretraining.
        state: file from which a stopped one goes on.
        key: digest of all that decides its bytes.
        workers: processes that draw grids.
        quiet: no progress bar.

    Returns:
        The reader after the last step, and its looks at the validation grids.

    Raises:
        StoreError: the state is of another pretraining, or a worker died.
        WeightsError: the weights to start from cannot be had.
    """
    device = training_device()
    precision = resolve_precision(settings.precision, device)
    stream = Stream(settings.seed, settings.batch, settings.cells, settings.pixels, PATCH)
    looks = settings.looked_at()
    with reproducible(settings.threads):
        reader = _reader(settings).to(device)
        optimizer = _optimizer(reader, settings)
        rates = [group["lr"] for group in optimizer.param_groups]
        warm = settings.warmup * settings.steps
        progress = load_state(state, reader, optimizer, key)
        working = reader.working(precision)
        masters = Masters(reader.network, working.network)
        lay_as_weights(optimizer)
        held_out = _validation(settings, workers)
        step, curve = progress.step, list(progress.curve)
        train_loss = torch.tensor(progress.train_loss, device=device)
        title = f"{settings.grids} grids"
        with progress_bar(title, settings.steps, quiet=quiet) as advance:
            advance(step)
            for batch in feed(stream, step, settings.steps, workers):
                for group, highest in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = highest * warm_cosine(step, warm, settings.steps)
                found = _moved(batch, device)
                with arithmetic(precision, device):
                    reading = working(found.grids)
                error = loss(reading, found)
                error.backward()
                masters.step(optimizer)
                step += 1
                train_loss += (error.detach() - train_loss) * RECENT
                if step in looks:
                    curve.append(_look(working, held_out, step, float(train_loss), settings))
                if step % settings.save_every == 0 or step in looks:
                    save_state(
                        state,
                        reader,
                        optimizer,
                        Progress(step, float(train_loss), tuple(curve)),
                        key,
                    )
                advance(1)
    return reader, tuple(curve)


def _reader(settings: PretrainSettings) -> Reader:
    torch.manual_seed(settings.seed)
    shape = Shape(2, len(Fact), settings.cells, settings.pixels)
    return Reader(build_model(f"vit_{settings.vit}", "early", shape, settings.weights))


def _optimizer(reader: Reader, settings: PretrainSettings) -> torch.optim.Optimizer:
    rows = parameter_groups(
        reader.trainable(),
        len(reader.network.layers),
        rate=settings.learning_rate,
        layer_decay=settings.layer_decay,
        weight_decay=settings.weight_decay,
    )
    return torch.optim.AdamW(rows, betas=BETAS, fused=True)


def _validation(settings: PretrainSettings, workers: int) -> tuple[LabelledGrids, ...]:
    """Fixed grids of another seed."""
    stream = Stream(
        settings.seed + VALIDATION_SEED, settings.batch, settings.cells, settings.pixels, PATCH
    )
    return tuple(feed(stream, 0, math.ceil(settings.validation / settings.batch), workers))


def _moved(batch: LabelledGrids, device: torch.device) -> LabelledGrids:
    return LabelledGrids(batch.grids.to(device), batch.fractions.to(device), batch.facts.to(device))


def _look(
    reader: Reader,
    held_out: tuple[LabelledGrids, ...],
    step: int,
    train_loss: float,
    settings: PretrainSettings,
) -> Row:
    """How well the validation grids are read."""
    device = next(reader.parameters()).device
    precision = resolve_precision(settings.precision, device)
    with torch.inference_mode(), arithmetic(precision, device):
        readings = [reader(batch.grids.to(device)) for batch in held_out]
    reading = join(readings)
    truth = LabelledGrids(
        torch.empty(0),
        torch.cat([batch.fractions for batch in held_out]).to(device),
        torch.cat([batch.facts for batch in held_out]).to(device),
    )
    return {
        "step": step,
        "grids": step * settings.batch,
        "train_loss": train_loss,
        "validation_loss": float(loss(reading, truth)),
        **explained(reading, truth),
    }
