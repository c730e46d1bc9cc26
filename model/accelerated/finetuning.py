"""What few pairs are worth, and what helps: `python -m model.accelerated.finetuning`.

Data sets are cut to some numbers of pairs, and a network of the shipped size learns from each cut
from three starts: from nothing; from a self-supervised stage on all texts of the set, without their
summaries; and from trained weights. A tenth of each cut is held out: its loss says when to stop.
What comes out writes the summaries of the validation set with the search that is exported, and the
table of their ROUGE is printed.

With --prepare the texts are only packed into OUT, as they are found there by a later run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np

from model.accelerated.batches import DeviceCorpus, Mixture, RowStream
from model.accelerated.data_sets import SUMMARY_TOKENS, DataSet, DataSets
from model.accelerated.objective import values_of
from model.accelerated.recipe import Recipe, Shape
from model.accelerated.trainer import Trainer
from model.encoder import SummarizerConfig
from model.evaluation.rouge import rouge
from model.inference import Inference
from model.steering.filters import SearchOptions
from model.summarizer import Summarizer
from model.tokenizer import EOS_ID, PAD_ID
from model.training.checkpoint import read_weights
from model.training.precision import encoder_dtype
from model.training.progress import report

Array = Any

SCRATCH, TEXTS, TRAINED = "from nothing", "self-supervised stage", "from trained weights"
RATES = {SCRATCH: 2e-3, TEXTS: 1e-3, TRAINED: 5e-4}
"""Learning rates by what a network starts from."""

HELD_OUT = 256
"""Pairs at the most that say when to stop."""

CHECKS = 10
"""How often they are asked."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.accelerated.finetuning", description=__doc__
    )
    add = parser.add_argument
    add("--sets", nargs="+", required=True, help="NAME=TRAIN,VALIDATION")
    add("--tokenizer", type=Path, required=True)
    add("--truecaser", type=Path, required=True)
    add("--weights", type=Path, required=True, help="a student.npz of this tokenizer")
    add("--out", type=Path, required=True)
    add("--sizes", nargs="+", type=int, default=[500, 2000], help="pairs, beside all")
    add("--epochs", type=int, default=40, help="over a cut, as far as --steps allows")
    add("--steps", type=int, default=1200, help="at the most")
    add("--text-steps", type=int, default=1000, help="of the self-supervised stage")
    add("--batch", type=int, default=128)
    add("--source-tokens", type=int, default=384)
    add("--num-beams", type=int, default=4)
    add("--dropout", type=float, default=0.2)
    add("--layers", type=int, default=4)
    add("--hidden-dim", type=int, default=256)
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    add("--seed", type=int, default=0)
    add("--prepare", action="store_true", help="pack the texts and end")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table from the command line."""
    given = parse_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    data = DataSets(given.sets, given.tokenizer, given.truecaser, given.out)
    if given.prepare:
        return 0
    table = Table(given, data)
    found = []
    for row in table.rows():
        found.append(row)
        report(" ".join(f"{key}={value}" for key, value in row.items()))
        path = given.out / "finetuning.json"
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(markdown(found))  # noqa: T201
    return 0


class Table:
    """Trains and measures every cell with steps that are compiled once."""

    def __init__(self, given: argparse.Namespace, data: DataSets) -> None:
        self._given, self._data = given, data
        keras.utils.set_random_seed(given.seed)
        config = SummarizerConfig(
            vocab_size=data.tokenizer.vocab_size,
            hidden_dim=given.hidden_dim,
            num_layers=given.layers,
            ffn_dim=4 * given.hidden_dim,
            dropout=given.dropout,
        )
        self._model = Summarizer(config, encoder_dtype=encoder_dtype(given.precision))
        self._fresh = values_of(self._model.trainable_variables)
        self._shape = Shape(source_tokens=given.source_tokens, size=given.batch)
        self._recipe = Recipe(
            seconds=0.0,
            steps=given.text_steps,
            optimizer="adamw",
            ema_decay=0.99,
            summary_tokens=SUMMARY_TOKENS,
            short=self._shape,
            gap_until=1.0,
            gap_share=1.0,
            mixture=Mixture(inner_share=0.0),
            seed=given.seed,
        )
        corpus = DeviceCorpus.of(data.corpus)
        self._trainer = Trainer(self._model, self._recipe, corpus)
        self._trainer.compile(None)
        self._loss = self._trainer.applied(self._losses, self._shape, SUMMARY_TOKENS)
        self._write = self._trainer.applied(self._written, self._shape, SUMMARY_TOKENS)
        self._inference = Inference(self._model, data.tokenizer, data.tokenizer.styles)

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a cell: the set, its pairs, the start, the steps that were best, ROUGE."""
        given = self._given
        trained = [jnp.asarray(array) for array in read_weights(given.weights)]
        for one in self._data.sets:
            texts = self._learn_texts(one)
            sizes = [size for size in given.sizes if size < len(one.train)]
            for size in [*sizes, len(one.train)]:
                for start, weights in (
                    (SCRATCH, self._fresh),
                    (TEXTS, texts),
                    (TRAINED, trained),
                ):
                    steps = self._fit(one, size, weights, RATES[start])
                    scores = self._rouge(one)
                    yield {
                        "set": one.name,
                        "pairs": size,
                        "start": start,
                        "steps": steps,
                        "rouge": [round(float(score), 1) for score in scores],
                    }
            self._trainer.restart(trained, self._recipe)
            scores = self._rouge(one)
            yield {
                "set": one.name,
                "pairs": 0,
                "start": TRAINED,
                "steps": 0,
                "rouge": [round(float(score), 1) for score in scores],
            }

    def _learn_texts(self, one: DataSet) -> list[Array]:
        """Weights that have learnt from the texts of a set alone."""
        self._trainer.restart(self._fresh, replace(self._recipe, learning_rate=RATES[SCRATCH]))
        self._trainer.run(self._stream(one.train))
        return [jnp.array(weight, copy=True) for weight in self._trainer.state.average]

    def _fit(self, one: DataSet, size: int, weights: Sequence[Array], rate: float) -> int:
        """Learns from `size` pairs; the trainer's average is the best by the held-out loss."""
        given = self._given
        drawn = np.random.default_rng(given.seed).permutation(one.train)[:size]
        number = min(size // 10, HELD_OUT)
        held, taught = drawn[:number], drawn[number:]
        steps = int(np.clip(given.epochs * len(taught) // given.batch, CHECKS, given.steps))
        recipe = replace(
            self._recipe, steps=steps, learning_rate=rate, warmup_steps=steps // 10, gap_until=0.0
        )
        best: dict[str, Any] = {"loss": np.inf}

        def validate(trainer: Trainer) -> dict[str, float]:
            loss = self._held_out_loss(held)
            if loss < best["loss"]:
                average = [jnp.array(weight, copy=True) for weight in trainer.state.average]
                best.update(loss=loss, average=average, step=trainer.step)
            return {"held_out": loss}

        self._trainer.restart(weights, recipe)
        self._trainer.run(
            self._stream(taught), validate=validate, validation_steps=max(steps // CHECKS, 1)
        )
        if "average" not in best:
            raise FloatingPointError(f"no loss of the held-out pairs of {one.name} was finite")
        self._trainer.state = self._trainer.state._replace(average=best["average"])
        return int(best["step"])

    def _stream(self, rows: Array) -> RowStream:
        return RowStream([(rows, 1.0)], self._data.corpus.formulaic, 1.0, self._given.seed)

    def _held_out_loss(self, rows: Array) -> float:
        """Nats a token; rows are repeated to fill whole batches."""
        whole = np.resize(rows, -(-len(rows) // self._shape.size) * self._shape.size)
        found = [self._loss(self._trainer.corpus, chunk) for chunk in self._chunks(whole)]
        loss, weight = np.sum([np.asarray(part) for part in found], axis=0)
        return float(loss / weight)

    def _rouge(self, one: DataSet) -> Array:
        """ROUGE-1, -2 and -L F1 of the validation set, from 0 to 100."""
        size = self._shape.size
        whole = np.resize(one.validation, -(-len(one.validation) // size) * size)
        found = [self._write(self._trainer.corpus, chunk) for chunk in self._chunks(whole)]
        ids = np.concatenate([np.asarray(part) for part in found])[: len(one.validation)]
        decode = self._data.tokenizer.decode
        kept = [[int(i) for i in row if i not in (PAD_ID, EOS_ID)] for row in ids]
        return rouge([decode(row).text for row in kept], one.references).mean(axis=0)

    def _chunks(self, rows: Array) -> Iterator[Array]:
        size = self._shape.size
        return (rows[first : first + size] for first in range(0, len(rows), size))

    def _losses(self, model: Summarizer, batch: dict[str, Array]) -> Array:
        losses = self._recipe.objective.losses(model, batch, None, training=False)
        weight = batch["summary_weights"].sum()
        return jnp.stack([losses["summary"] * weight, weight])

    def _written(self, model: Summarizer, batch: dict[str, Array]) -> Array:
        source = model.encode(batch["source_ids"], batch["source_keep_mask"])
        size = self._shape.size
        options = SearchOptions(
            max_new_tokens=np.full(size, SUMMARY_TOKENS, np.int32),
            min_new_tokens=jnp.full(size, 3, jnp.int32),
            length_penalty=jnp.ones(size),
            num_beams=self._given.num_beams,
        )
        return self._inference.search(source, batch["previous_ids"][:, 0], options).ids[:, 0]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """ROUGE-1 / -2 / -L by set and number of pairs, one column a start."""
    starts = (SCRATCH, TEXTS, TRAINED)
    lines = ["| set | pairs | " + " | ".join(starts) + " |", "| --- " * (2 + len(starts)) + "|"]
    for name, pairs in sorted({(row["set"], row["pairs"]) for row in rows}):
        cells = [
            next(
                (
                    " / ".join(f"{score:.1f}" for score in row["rouge"])
                    for row in rows
                    if (row["set"], row["pairs"], row["start"]) == (name, pairs, start)
                ),
                "",
            )
            for start in starts
        ]
        lines.append(f"| {name} | {pairs:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
