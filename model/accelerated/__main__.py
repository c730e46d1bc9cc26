"""The recipe for one GPU: `python -m model.accelerated --data PACK=SHARE … --out DIRECTORY`.

A teacher is trained for some minutes, says what it thinks of every example, and the student learns
from both. With --teacher-seconds 0 the student learns from the references alone. Packs are made by
model.packed; `python -m model.accelerated.publish` makes an artifact of what comes out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from model.accelerated.batches import DeviceCorpus, Mixture, RowStream
from model.accelerated.greedy import greedy
from model.accelerated.objective import Objective, Opinions
from model.accelerated.recipe import Recipe, Shape
from model.accelerated.trainer import Trainer
from model.accelerated.variants import VARIANTS
from model.encoder import SummarizerConfig
from model.packed import PackedCorpus
from model.summarizer import Summarizer
from model.training.precision import encoder_dtype
from model.training.progress import report

GREEDY_STEPS = 40
LONG = 300
"""Tokens; texts from here on are also read whole."""

VALIDATION, VALIDATED = Shape(source_tokens=1024, size=64), 320
"""Texts of each set that are validated on, evenly spread over it."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m model.accelerated", description=__doc__)
    add = parser.add_argument
    add("--data", nargs="+", required=True, help="PACK[,PACK …]=SHARE of every batch")
    add("--validation", nargs="*", type=Path, default=[])
    add("--out", type=Path, required=True)
    add("--vocab-size", type=int, default=8192)
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--seed", type=int, default=0)
    add("--batch", type=int, default=1024, help="texts in a step of the student")
    add("--source-tokens", type=int, default=256)
    add("--long-every", type=int, default=4, help="every so many steps texts are read whole")
    add("--optimizer", default="muon", choices=["adamw", "muon"])
    add("--formulaic-share", type=float, default=0.5)
    add("--hidden-share", type=float, default=0.1)
    add("--ema-decay", type=float, default=0.998)
    add("--label-smoothing", type=float, default=0.0)
    add("--teacher-seconds", type=float, default=0.0)
    add("--teacher-dim", type=int, default=512)
    add("--teacher-layers", type=int, default=6)
    add("--teacher-dropout", type=float, default=0.15)
    add("--teacher-rate", type=float, default=1.5e-3)
    add("--teacher-weight", type=float, default=0.7, help="taken from the references' weight")
    add("--teacher-tokens", type=int, default=8)
    add("--seconds", type=float, required=True, help="of the student")
    add("--steps", type=int, help="of the student, in place of seconds")
    add("--hidden-dim", type=int, default=256)
    add("--num-layers", type=int, default=4)
    add("--dropout", type=float, default=0.05)
    add("--rate", type=float, default=2e-3)
    add("--gap-until", type=float, default=0.25, help="share of the time with hidden sentences")
    add("--greedy", action="store_true", help="write greedy summaries of the validation sets")
    add("--validation-seconds", type=float, default=60.0, help="between two validations")
    add("--without", default="none", choices=list(VARIANTS), help="a part that is to be missed")
    add("--no-window", action="store_true")
    return parser.parse_args(arguments)


class Data:
    """All packs on the accelerator, and which rows belong together."""

    def __init__(self, arguments: Sequence[str], given: argparse.Namespace) -> None:
        parts: list[PackedCorpus] = []
        self.groups: list[tuple[Any, float]] = []
        for argument in arguments:
            names, _, share = argument.partition("=")
            loaded = [PackedCorpus.load(Path(name)) for name in names.split(",")]
            first = sum(len(part) for part in parts)
            count = sum(len(part) for part in loaded)
            self.groups.append((np.arange(first, first + count), float(share or 1.0)))
            parts += loaded
        self.packed = PackedCorpus.joined(parts)
        self.device = DeviceCorpus.of(self.packed)
        self._given = given

    def rows(self, least_tokens: int = 0) -> RowStream:
        """Examples of at least so many tokens; a group that has none is left out."""
        given = self._given
        kept = [
            (rows[np.asarray(self.packed.source_lengths)[rows] >= least_tokens], share)
            for rows, share in self.groups
        ]
        if least_tokens:
            # Shares of long texts follow from how many a group has.
            kept = [
                (rows, share * len(rows) / len(whole))
                for (rows, share), (whole, _) in zip(kept, self.groups, strict=True)
            ]
        kept = [(rows, share) for rows, share in kept if len(rows)]
        return RowStream(kept, self.packed.formulaic, given.formulaic_share, given.seed)


def network(given: argparse.Namespace, dim: int, layers: int, dropout: float) -> Summarizer:
    """A network of the given sizes."""
    config = SummarizerConfig(
        vocab_size=given.vocab_size,
        hidden_dim=dim,
        num_layers=layers,
        ffn_dim=4 * dim,
        dropout=dropout,
        attention_window=None if given.no_window else 128,
    )
    return VARIANTS[given.without](config, encoder_dtype=encoder_dtype(given.precision))


def recipe(given: argparse.Namespace, *, teacher: bool) -> Recipe:
    """The recipe of one of the two networks; the teacher's batches are half as large."""
    size = given.batch // 2 if teacher else given.batch
    whole = max(size * given.source_tokens // 1024, 1)
    return Recipe(
        seconds=given.teacher_seconds if teacher else given.seconds,
        steps=None if teacher else given.steps,
        learning_rate=given.teacher_rate if teacher else given.rate,
        optimizer=given.optimizer,
        ema_decay=given.ema_decay,
        short=Shape(source_tokens=given.source_tokens, size=size),
        long=Shape(source_tokens=1024, size=whole, every=given.long_every)
        if given.long_every and not teacher
        else None,
        gap_until=given.gap_until,
        mixture=Mixture(hidden_share=given.hidden_share),
        objective=Objective(
            label_smoothing=given.label_smoothing,
            teacher_weight=0.0 if teacher or not given.teacher_seconds else given.teacher_weight,
        ),
        seed=given.seed + teacher,
    )


def save(path: Path, trainer: Trainer) -> None:
    """The averaged weights, named as in model/training/checkpoint.py, and how they came about."""
    trainer.take_average()
    arrays: dict[str, Any] = {
        f"model/{i}": np.asarray(variable.value)
        for i, variable in enumerate(trainer.model.variables)
    }
    np.savez(f"{path}.npz", **arrays)
    Path(f"{path}.json").write_text(
        json.dumps(
            {
                "config": trainer.model.config.to_dict(),
                "network": type(trainer.model).__name__,
                "recipe": asdict(trainer.recipe),
                "steps": trainer.step,
                "history": trainer.history,
            }
        ),
        encoding="utf-8",
    )


class Validation:
    """Sets that are only looked at, with their names."""

    def __init__(self, paths: Sequence[Path]) -> None:
        parts = [PackedCorpus.load(path) for path in paths]
        self.names = [path.name.split(".")[0] for path in paths]
        firsts = np.cumsum([0, *(len(part) for part in parts)])
        self.rows = [
            np.linspace(first, first + len(part) - 1, VALIDATED).astype(np.int32)
            for part, first in zip(parts, firsts, strict=False)
        ]
        self.firsts = firsts
        self.corpus = DeviceCorpus.of(PackedCorpus.joined(parts))

    def chunks(self, rows: Any) -> Iterator[Any]:
        """Rows in the size of a batch."""
        return (rows[i : i + VALIDATION.size] for i in range(0, VALIDATED, VALIDATION.size))

    def losses_of(self, trainer: Trainer) -> Callable[[Trainer], dict[str, float]]:
        """A function that gives the loss in nats a token by set."""

        def measured(model: Summarizer, batch: dict[str, Any]) -> Any:
            losses = trainer.recipe.objective.losses(model, batch, None, training=False)
            weight = batch["summary_weights"].sum()
            return jnp.stack([losses["summary"] * weight, weight])

        measure = trainer.applied(measured, VALIDATION, trainer.recipe.summary_tokens)

        def validate(_: Trainer) -> dict[str, float]:
            sums = [
                np.sum([measure(self.corpus, chunk) for chunk in self.chunks(rows)], axis=0)
                for rows in self.rows
            ]
            return {
                name: float(loss / weight)
                for name, (loss, weight) in zip(self.names, sums, strict=True)
            }

        return validate

    def write_greedy(self, path: Path, trainer: Trainer) -> None:
        """Greedy ids by set, to be scored where the texts are, and the numbers of their texts."""
        write = trainer.applied(
            lambda model, batch: greedy(model, batch, GREEDY_STEPS), VALIDATION, GREEDY_STEPS
        )
        found: dict[str, Any] = {}
        for name, rows, first in zip(self.names, self.rows, self.firsts, strict=False):
            ids = [write(self.corpus, chunk) for chunk in self.chunks(rows)]
            found |= {f"{name}/rows": rows - first, f"{name}/ids": np.concatenate(ids)}
        np.savez_compressed(path, **found)


def make_trainer(given: argparse.Namespace, data: Data, *, teacher: bool) -> Trainer:
    """One of the two networks, ready to be compiled."""
    keras.utils.set_random_seed(given.seed + teacher)
    sizes = (
        (given.teacher_dim, given.teacher_layers, given.teacher_dropout)
        if teacher
        else (given.hidden_dim, given.num_layers, given.dropout)
    )
    return Trainer(network(given, *sizes), recipe(given, teacher=teacher), data.device)


def train(
    given: argparse.Namespace, data: Data, trainer: Trainer, opinions: Opinions | None, name: str
) -> None:
    """Trains a network and saves it, with greedy summaries of the validation sets."""
    long_rows = data.rows(LONG) if trainer.recipe.long else None
    validation = Validation(given.validation) if given.validation and name == "student" else None
    validate = validation.losses_of(trainer) if validation else None
    trainer.run(data.rows(), long_rows, opinions, validate, given.validation_seconds)
    report(f"{name}: {trainer.step} steps")
    save(given.out / name, trainer)
    if validation and given.greedy:
        validation.write_greedy(given.out / f"{name}.greedy.npz", trainer)


def blank_opinions(given: argparse.Namespace, count: int) -> Opinions:
    """Shapes of the opinions that a student will hear."""
    shape = (count, Recipe(seconds=0).summary_tokens, given.teacher_tokens)
    return Opinions(
        jax.ShapeDtypeStruct(shape, jnp.int16), jax.ShapeDtypeStruct(shape, jnp.float16)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe from the command line."""
    given = parse_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    data = Data(given.data, given)
    report(f"{len(data.packed)} examples, {len(data.packed.tokens)} tokens")
    opinions = None
    student = make_trainer(given, data, teacher=False)
    with ThreadPoolExecutor() as pool:
        if given.teacher_seconds:
            teacher = make_trainer(given, data, teacher=True)
            # The student's steps are compiled while the teacher learns.
            teacher.compile(None)
            compiling = pool.submit(student.compile, blank_opinions(given, len(data.packed)))
            train(given, data, teacher, None, "teacher")
            shape = Shape(source_tokens=given.source_tokens, size=given.batch // 2)
            opinions = teacher.opinions(given.teacher_tokens, shape, len(data.packed))
            compiling.result()
        else:
            student.compile(None)
        train(given, data, student, opinions, "student")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
