"""One training run in a directory of its own, which goes on from where it was when killed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import keras

from model import artifact, checkpoint
from model.data import (
    CHARACTERS_PER_TOKEN,
    Batch,
    Batches,
    BatchOptions,
    DataFile,
    Example,
    read_examples,
)
from model.inference import Inference
from model.optimization import WarmupStableDecay, make_optimizer, negative_log_likelihood
from model.precision import FULL
from model.progress import Progress, report
from model.summarizer import Summarizer, SummarizerConfig
from model.tokenizer import Tokenizer
from model.truecasing import Truecaser
from model.validation import greedy_rouge

TOKENIZER_SAMPLE = 40_000
TRUECASER_SAMPLE = 20_000
"""Texts per file that the tokenizer and the truecaser learn from: more adds seconds, not words."""

HELD_OUT_SHARE, HELD_OUT_MOST = 0.05, 500
"""What is kept for validation where no validation file is given."""

LOSS_DOCUMENTS, ROUGE_DOCUMENTS = 256, 100
"""Validated of each data set, from its beginning."""


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
    dropout: float = 0.0
    encoder_dtype: str = "float32"
    checkpoint_steps: int = 100
    validation_steps: int = 500
    batches: BatchOptions = field(default_factory=BatchOptions)


@dataclass(frozen=True)
class Corpus:
    """What a job trains and validates on."""

    groups: list[tuple[list[Example], float]]
    validation: list[Example]

    @classmethod
    def read(
        cls, files: Sequence[DataFile], validation: Sequence[Path], max_source_tokens: int
    ) -> Corpus:
        """Reads all files, texts cut to what the network can see."""
        limit = max_source_tokens * CHARACTERS_PER_TOKEN
        groups = [(read_examples(file.path, limit), file.weight) for file in files]
        held_out = [e for path in validation for e in read_examples(path, limit)]
        return cls(groups, held_out) if held_out else cls._split(groups)

    @classmethod
    def _split(cls, groups: list[tuple[list[Example], float]]) -> Corpus:
        kept, held_out = [], []
        for examples, weight in groups:
            count = min(HELD_OUT_MOST, round(HELD_OUT_SHARE * len(examples)))
            every = len(examples) // count if count else len(examples) + 1
            chosen = set(range(0, count * every, every)) if count else set()
            held_out += [examples[i] for i in sorted(chosen)]
            kept.append(([e for i, e in enumerate(examples) if i not in chosen], weight))
        return cls(kept, held_out)

    def sample(self, size: int) -> list[Example]:
        """About `size` examples of every file, evenly spread."""
        return [e for group, _ in self.groups for e in group[:: max(1, len(group) // size)]]


class Job:
    """Tokenizer, truecaser, network, optimizer and batches of one run, and its progress."""

    def __init__(self, out: Path, corpus: Corpus, options: TrainOptions) -> None:
        self.out, self.corpus, self.options = out, corpus, options
        out.mkdir(parents=True, exist_ok=True)
        self.truecaser = self._truecaser()
        self.tokenizer = self._tokenizer()
        self.batches = Batches(corpus.groups, self.tokenizer, self.truecaser, options.batches)
        keras.utils.set_random_seed(options.batches.seed)
        self.model = self._network(options.encoder_dtype)
        schedule = WarmupStableDecay(
            options.learning_rate, options.steps, options.warmup_steps, options.decay_steps
        )
        self.optimizer = make_optimizer(options.optimizer, schedule)
        self.optimizer.build(self.model.trainable_variables)
        self.model.compile(
            optimizer=self.optimizer, loss=negative_log_likelihood, jit_compile=False
        )
        self.inference = Inference(self.model, self.tokenizer, self.tokenizer.styles)
        self.state: dict[str, Any] = {"step": 0, "epoch": 0, "position": 0, "seconds": 0.0}

    @property
    def checkpoint_path(self) -> Path:
        """Where the job's progress is."""
        return self.out / checkpoint.FILE_NAME

    def _truecaser(self) -> Truecaser:
        path = self.out / "truecaser.json"
        if not path.exists():
            truecaser = Truecaser.learn(e.text for e in self.corpus.sample(TRUECASER_SAMPLE))
            path.write_text(json.dumps(truecaser.spellings, ensure_ascii=False), encoding="utf-8")
        return Truecaser(json.loads(path.read_text(encoding="utf-8")))

    def _tokenizer(self) -> Tokenizer:
        path = self.out / artifact.TOKENIZER
        styles = sorted({e.style for group, _ in self.corpus.groups for e in group})
        if not path.exists():
            examples = self.corpus.sample(TOKENIZER_SAMPLE)
            targets = [self.truecaser.truecase(e.summary, e.text) for e in examples]
            sources = (e.text for e in examples)
            Tokenizer.train(sources, targets, styles, self.options.vocab_size).save(path)
        tokenizer = Tokenizer.load(path)
        for style in styles:
            if style not in tokenizer.styles:
                tokenizer = tokenizer.add_style(style)
                tokenizer.save(path)
        return tokenizer

    def _network(self, encoder_dtype: str) -> Summarizer:
        options = self.options
        config = SummarizerConfig(
            vocab_size=self.tokenizer.vocab_size,
            hidden_dim=options.hidden_dim,
            num_layers=options.num_layers,
            ffn_dim=4 * options.hidden_dim,
            dropout=options.dropout,
        )
        return Summarizer(config, encoder_dtype=encoder_dtype)

    def exportable(self) -> Inference:
        """The trained weights in a network that computes in float32 throughout."""
        model = self._network(FULL)
        for ours, trained in zip(model.variables, self.model.variables, strict=True):
            ours.assign(trained)
        return Inference(model, self.tokenizer, self.tokenizer.styles)

    def resume(self) -> bool:
        """Goes on from the job's own checkpoint; False where there is none."""
        if not self.checkpoint_path.exists():
            return False
        self.state = checkpoint.restore_checkpoint(self.checkpoint_path, self.model, self.optimizer)
        report("resumed", **self.state)
        return True

    def run(self) -> None:
        """Trains to the last step, checkpointing and validating on the way.

        Raises:
            FloatingPointError: the loss is not finite; the last checkpoint stays.
            CheckpointError: a checkpoint can't be written.
        """
        progress = Progress(self.state, self.options.steps)
        for batch in self._stream():
            progress.add(float(self.model.train_on_batch(batch.inputs(), batch.weights)))
            self.state["position"] += 1
            step, last = self.state["step"], self.state["step"] >= self.options.steps
            if step % self.options.checkpoint_steps == 0 or last:
                checkpoint.save_checkpoint(
                    self.checkpoint_path, self.model, self.optimizer, self.state
                )
            if step % self.options.validation_steps == 0 or last:
                self.validate()
            if last:
                return

    def _stream(self) -> Iterator[Batch]:
        while self.state["step"] < self.options.steps:
            yield from self.batches.epoch(self.state["epoch"], skip=self.state["position"])
            self.state["epoch"] += 1
            self.state["position"] = 0

    def validate(self) -> None:
        """Reports loss and ROUGE of every validation set."""
        for origin in sorted({e.origin for e in self.corpus.validation}):
            examples = [e for e in self.corpus.validation if e.origin == origin]
            loss = self._validation_loss(examples[:LOSS_DOCUMENTS])
            scores = greedy_rouge(
                self.inference,
                self.tokenizer,
                examples[:ROUGE_DOCUMENTS],
                self.options.batches.max_source_tokens,
            )
            names = dict(zip(("rouge1", "rouge2", "rougeL"), scores, strict=True))
            report(f"validation {origin}", step=self.state["step"], loss=loss, **names)

    def _validation_loss(self, examples: list[Example]) -> float:
        """Nats a token, with nothing hidden and nothing dropped."""
        options = replace(
            self.options.batches, hidden_share=0.0, word_dropout=0.0, merge_dropout=0.0
        )
        batches = Batches([(examples, 1.0)], self.tokenizer, self.truecaser, options)
        total = tokens = 0.0
        for batch in islice(batches.epoch(0), LOSS_DOCUMENTS):
            weight = float(batch.weights.sum())
            total += weight * float(self.model.test_on_batch(batch.inputs(), batch.weights))
            tokens += weight
        return total / tokens


def take_tokenizer(directory: Path, out: Path) -> None:
    """Gives a new job the tokenizer of an artifact, which its weights need."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(directory / artifact.TOKENIZER, out / artifact.TOKENIZER)
