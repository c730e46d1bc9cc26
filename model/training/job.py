"""One training run in a directory of its own, which goes on from where it was when killed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from model import artifact
from model.data import Batch, Batches, BatchOptions
from model.encoder import SummarizerConfig
from model.inference import Inference
from model.readers import DataError, Example
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer
from model.training import checkpoint
from model.training.averaging import WeightAverage
from model.training.corpus import Corpus
from model.training.history import History
from model.training.optimization import WarmupStableDecay, make_optimizer, negative_log_likelihood
from model.training.precision import FULL
from model.training.progress import Progress, report
from model.training.validation import ROUGE_NAMES, measure
from model.words.truecasing import Truecaser

TOKENIZER_SAMPLE = 40_000
TRUECASER_SAMPLE = 20_000
"""Texts per file that the tokenizer and the truecaser learn from: more adds seconds, not words."""

BEST = "best.npz"
"""The weights with the best validation so far, kept where `patience` is on."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """All that decides the result, besides the data."""

    steps: int = 2000
    learning_rate: float = 2e-3
    warmup_steps: int = 60
    decay_steps: int = 400
    optimizer: str = "adamw"
    vocab_size: int = 8192
    hidden_dim: int = 256
    num_layers: int = 4
    attention_window: int = 128
    num_global_tokens: int = 16
    dropout: float = 0.0
    sentence_weight: float = 0.3
    label_smoothing: float = 0.0
    ema_decay: float = 0.0
    patience: int = 0
    encoder_dtype: str = "float32"
    checkpoint_steps: int = 100
    validation_steps: int = 500
    batches: BatchOptions = field(default_factory=BatchOptions)


class Job:
    """Tokenizer, truecaser, network, optimizer and batches of one run, and its progress."""

    def __init__(
        self, out: Path, corpus: Corpus, options: TrainOptions, tensorboard: bool = False
    ) -> None:
        if options.patience and not corpus.validation:
            raise DataError("--patience needs pairs to validate on: give --validation")
        self.out, self.corpus, self.options = out, corpus, options
        out.mkdir(parents=True, exist_ok=True)
        self.truecaser = self._truecaser()
        self.tokenizer = self._tokenizer()
        self.batches = Batches(corpus.groups, self.tokenizer, self.truecaser, options.batches)
        keras.utils.set_random_seed(options.batches.seed)
        self.model = self._network(options.encoder_dtype)
        self.schedule = WarmupStableDecay(
            options.learning_rate, options.steps, options.warmup_steps, options.decay_steps
        )
        self.optimizer = make_optimizer(options.optimizer, self.schedule)
        self.optimizer.build(self.model.trainable_variables)
        self.model.compile(
            optimizer=self.optimizer,
            loss={"summary": negative_log_likelihood, "sentences": negative_log_likelihood},
            loss_weights={"summary": 1.0, "sentences": options.sentence_weight},
            jit_compile=False,
        )
        # Keras makes its means of the losses here; made in the first step, they would cost another
        # tracing of it.
        nothing = {name: ops.zeros((1, 1)) for name in ("summary", "sentences")}
        self.model.compute_loss(y=nothing, y_pred=nothing)
        self.inference = Inference(self.model, self.tokenizer, self.tokenizer.styles)
        self.average = WeightAverage(self.model, options.ema_decay) if options.ema_decay else None
        self.history = History(out, tensorboard)
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "position": 0, "seconds": 0.0}

    @property
    def checkpoint_path(self) -> Path:
        """Where the job's progress is."""
        return self.out / checkpoint.FILE_NAME

    def _truecaser(self) -> Truecaser:
        path = self.out / "truecaser.json"
        if not path.exists():
            truecaser = Truecaser.learn(e.text for e in self.corpus.sample(TRUECASER_SAMPLE))
            checkpoint.write_text(path, json.dumps(truecaser.spellings, ensure_ascii=False))
        return Truecaser(json.loads(path.read_text(encoding="utf-8")))

    def _tokenizer(self) -> Tokenizer:
        path = self.out / artifact.TOKENIZER
        styles = sorted({e.style for group, _ in self.corpus.groups for e in group})
        if not path.exists():
            examples = self.corpus.sample(TOKENIZER_SAMPLE)
            targets = [self.truecaser.truecase(e.summary, e.text) for e in examples]
            sources = (e.text for e in examples)
            trained = Tokenizer.train(sources, targets, styles, self.options.vocab_size)
            checkpoint.write_text(path, trained.to_json())
        tokenizer = Tokenizer.load(path)
        for style in styles:
            if style not in tokenizer.styles:
                tokenizer = tokenizer.add_style(style)
                checkpoint.write_text(path, tokenizer.to_json())
        return tokenizer

    def _network(self, encoder_dtype: str) -> Summarizer:
        options = self.options
        config = SummarizerConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_dim=options.hidden_dim,
            num_layers=options.num_layers,
            ffn_dim=4 * options.hidden_dim,
            dropout=options.dropout,
            attention_window=options.attention_window,
            num_global_tokens=options.num_global_tokens,
        )
        return Summarizer(
            config, encoder_dtype=encoder_dtype, label_smoothing=options.label_smoothing
        )

    def exportable(self) -> Inference:
        """The best, the averaged or the last weights in a network that computes in float32."""
        model = self._network(FULL)
        with self._averaged():
            for ours, trained in zip(model.variables, self.model.variables, strict=True):
                ours.assign(trained)
        if self.options.patience and "best" in self.state:
            checkpoint.restore_checkpoint(self.out / BEST, model)
        return Inference(model, self.tokenizer, self.tokenizer.styles)

    def resume(self) -> bool:
        """Goes on from the job's own checkpoint; False where there is none."""
        for path in (self.checkpoint_path, self.out / BEST):
            checkpoint.remove_partial(path)
        if not self.checkpoint_path.exists():
            return False
        self.state = checkpoint.restore_checkpoint(
            self.checkpoint_path, self.model, self.optimizer, self.average
        )
        shown = ("step", "epoch", "position", "seconds")
        report("resumed", **{key: self.state[key] for key in shown})
        return True

    def save(self) -> None:
        """Writes the checkpoint that `resume` reads."""
        checkpoint.save_checkpoint(
            self.checkpoint_path, self.model, self.optimizer, self.state, self.average
        )

    def is_done(self) -> bool:
        """Whether the last step is made, or validation has not become better for too long."""
        patience = self.options.patience
        is_over = self.state["step"] >= self.options.steps
        return bool(is_over or 0 < patience <= self.state.get("worse", 0))

    def run(self) -> None:
        """Trains to the end, checkpointing and validating on the way.

        Raises:
            FloatingPointError: loss or weights are not finite; the last checkpoint stays.
            CheckpointError: a checkpoint can't be written.
        """
        # The checkpoint of a step is written before its validation, which takes long.
        validated = self.state.setdefault("validated", self.state["step"])
        self.history.rewind(self.state["step"], validated)
        if self.average and not self.state["step"]:
            self.average.restart()
        if self._is_validation_due() and validated < self.state["step"]:
            self.validate()
        progress = Progress(self.state, self.options.steps, self._learning_rate)
        for batch in self._stream():
            losses = self.model.train_on_batch(batch.inputs(), batch.targets(), return_dict=True)
            row = progress.add(float(losses["summary_loss"]), float(losses["sentences_loss"]))
            self.state["position"] += 1
            if self.average:
                self.average.update()
            if row:
                self.history.add(row)
            if self._is_due(self.options.checkpoint_steps):
                self.save()
            if self._is_validation_due():
                self.validate()
        self.history.close()

    def _is_due(self, steps: int) -> bool:
        step = int(self.state["step"])
        return step % steps == 0 or step >= self.options.steps

    def _is_validation_due(self) -> bool:
        return self._is_due(self.options.validation_steps)

    def _learning_rate(self, step: int) -> float:
        return float(ops.convert_to_numpy(self.schedule(step)))

    def _averaged(self) -> AbstractContextManager[None]:
        return self.average.in_place() if self.average else nullcontext()

    def _stream(self) -> Iterator[Batch]:
        while not self.is_done():
            batches = self.batches.epoch(self.state["epoch"], skip=self.state["position"])
            for batch in made_ahead(batches):
                yield batch
                if self.is_done():
                    return
            self.state["epoch"] += 1
            self.state["position"] = 0

    def validate(self) -> None:
        """Reports loss and ROUGE of every validation set, and saves that it did."""
        with self._averaged():
            found = {
                origin: self._measure([e for e in self.corpus.validation if e.origin == origin])
                for origin in sorted({e.origin for e in self.corpus.validation})
            }
            if self.options.patience:
                self._keep_best(found)
        step, seconds = self.state["step"], self.state["seconds"]
        for origin, numbers in found.items():
            report(f"validation {origin}", step=step, **numbers)
        if found:
            self.history.add({"step": step, "seconds": seconds, "validation": found})
        self.state["validated"] = step
        self.save()

    def _measure(self, examples: list[Example]) -> dict[str, float]:
        return measure(
            self.inference, self.tokenizer, self.truecaser, examples, self.options.batches
        )

    def _keep_best(self, found: dict[str, dict[str, float]]) -> None:
        """Keeps the weights if ROUGE, its three kinds and all data sets counting alike, is best."""
        rouge = float(
            np.mean([numbers[name] for numbers in found.values() for name in ROUGE_NAMES])
        )
        best = self.state.get("best")
        if best and rouge <= best["rouge"]:
            self.state["worse"] += 1
            return
        self.state |= {"best": {"rouge": rouge, "step": self.state["step"]}, "worse": 0}
        checkpoint.save_checkpoint(self.out / BEST, self.model, None, self.state["best"])


def made_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each made while the one before it is trained on."""
    with ThreadPoolExecutor(1, "batches") as executor:
        coming = executor.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = executor.submit(next, batches, None)
            yield batch


def take_tokenizer(directory: Path, out: Path) -> None:
    """Gives a new job the tokenizer of an artifact, which its weights need."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint.write_text(
        out / artifact.TOKENIZER, (directory / artifact.TOKENIZER).read_text("utf-8")
    )
