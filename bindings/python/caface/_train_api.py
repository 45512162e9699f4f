"""Training of fusion models."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, NamedTuple, Optional, Union

from . import _system

Path = Union[str, "os.PathLike[str]"]


class Trained(NamedTuple):
    """Where a run stands at its end, and what it wrote."""

    best: str  # path of the model that validated best
    last: str  # of the model as it is
    log: str  # log.csv
    progress: Dict[str, Any]  # as report gets it


def _value(value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)):
        return os.fsencode(value)
    return tuple(value) if isinstance(value, (list, range)) else value


def train(
    data: Path,
    output: Path,
    *,
    centers: Optional[Path] = None,
    fusion: str = "caface",
    validate: Optional[Path] = None,
    report: Optional[Callable[[Dict[str, Any]], object]] = None,
    resume: bool = False,
    **options: Any,
) -> Trained:
    """Trains a fusion model: what `caface train` does, with the same bits (docs/training.md,
    docs/restore.md).

        def report(row):
            print(row["updates"], row["loss"], row["validation"])

        run = caface.train("features", "run", centers="centers.safetensors", report=report)
        model = caface.FusionModel(run.best)

    data      augmented features: a folder of `caface prepare features` (of restore with --clean), or
              the authors' record set
    output    the folder of the run: checkpoint, models, log.csv
    centers   class centres, of `caface prepare centers`; of restore None: those of the clean features
    fusion    "caface" or "restore"
    validate  a feature set to score after every epoch; None: none
    report    called with a dict for every row of the log: done and all (batches or updates),
              updates, epoch, epochs, batch, batches, lr, loss and its parts center_loss, memory_loss,
              entropy_loss, restore_loss, others_loss, gradient_norm, validation (TAR at FAR; NaN: not
              now), best. False stops the run, with a checkpoint (caface.Error, ECANCELLED)
    resume    go on where the run in output stopped; it ends with the bits of a run that did not

    options, as caface/train.h and `caface train --help` have them, with their defaults:
    init, init_optimizer, styles, templates, pairs, meta, dataset, chunk, far, validate_every, seed,
    threads, save_every, log_every, stop_after, keep_all, tensorboard, fast_dev_run, optimizer, lr,
    weight_decay, beta1, beta2, eps, momentum, clip, center_weight, entropy_weight; of caface: epochs,
    first_epoch, batch, accumulate, limit_batches, schedule, milestones, gamma, clip_value, decay_all,
    clusters, blocks, scalar, scheme, group, drop, memory_weight, leave_out, memory_divisor; of
    restore: form, steps, faces, warm_up, dropout, average, restore_weight, others_weight, freeze,
    no_intruders, teacher, teacher_weight.

    Ctrl-C, and an exception in report, stop it after the update under way, with a checkpoint. Raises
    OSError; ValueError: an option out of its range or of the other fusion, a folder that holds a
    run, data and centres that do not fit; TypeError: an option that there is not.
    """
    given = {"data": data, "output": output, "centers": centers, "validate": validate, "resume": resume}
    pairs = [
        (name.encode(), _value(value))
        for name, value in {**given, **options}.items()
        if value is not None
    ]
    try:
        progress = _system.load("_train").train(fusion, pairs, report)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"training was stopped; train(..., resume=True) goes on with {os.fspath(output)}"
        ) from None
    folder = os.fspath(output)
    best, last, log = (os.path.join(folder, f) for f in ("best.safetensors", "last.safetensors", "log.csv"))
    return Trained(best, last, log, progress)
