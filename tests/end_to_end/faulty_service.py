"""The real service, on the real server, over a model that fails when a text asks it to.

Run by the fixture `faulty` as a process. A text with one of these words makes the model

- explode: raise something unforeseen
- starve: find no memory
- crowd: find no memory for more than two texts at once
- overflow: return NaN
- dawdle: take a second
- perish: end its process, as the kernel's killer of those that take all memory does
- hang: never come back

Where the settings name an artifact, its manifest is checked, and its version is the model's.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from model import artifact
from model.tokenizer import Tokenizer
from service.__main__ import serve
from service.engine import Engine, Handle, serving
from service.errors import OutOfMemory
from service.observability.logs import configure_logs
from service.observability.metrics import Metrics
from service.predictor import ModelInfo, Predictor
from service.scheduled_predictor import ScheduledPredictor
from service.settings import Settings

CORPUS = [
    "perish hang explode starve crowd overflow dawdle the city council voted to build a tram line"
] * 9

INFO = ModelInfo(
    name="summarizer",
    version="7",
    sha256="ab" * 32,
    created="2026-11-22T00:00:00+00:00",
    precision="float32",
    device="cpu",
    styles=("headline", "tldr"),
    default_style="headline",
    max_source_tokens=64,
    max_summary_tokens=24,
    default_num_beams=4,
    default_length_penalty=1.0,
    default_min_new_tokens=1,
    default_max_new_tokens=16,
    low_confidence_log_prob=None,
)


class Model:
    """A signature that copies the first two tokens, in NumPy."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def summarize(self, inputs: Any) -> Any:
        source_ids, keep = inputs["source_ids"], inputs["source_keep_mask"]
        texts = [
            self._tokenizer.decode(ids[mask][:-1].tolist()).text
            for ids, mask in zip(source_ids, keep, strict=True)
        ]
        self._fail(texts)
        batch, steps = len(texts), 3
        half = np.full((batch, steps), 0.5, np.float32)
        attention = np.repeat((keep / keep.sum(1, keepdims=True))[:, None], steps, axis=1)
        attention[["overflow" in text for text in texts]] = np.nan
        end = np.full((batch, 1), self._tokenizer.eos_id, np.int32)
        summary_ids = np.concatenate([source_ids[:, :2], end], axis=1)
        beams = (1, int(inputs["num_beams"]), 1)
        return {
            "summary_ids": summary_ids,
            "hypothesis_ids": np.tile(summary_ids[:, None], beams),
            "score_per_hypothesis": np.zeros((batch, beams[1]), np.float32),
            "attention_weights": attention.astype(np.float32),
            "log_probs": np.log(half),
            "copy_gate": half,
            "copied_prob": half / 2,
            "generated_prob": half / 2,
            **self.score_sentences(inputs),
        }

    def score_sentences(self, inputs: Any) -> Any:
        """The earlier, the better."""
        batch, sentences = len(inputs["source_ids"]), inputs["sentence_ids"].max()
        logits = -np.arange(sentences, dtype=np.float32)
        return {"sentence_logits": np.tile(logits, (batch, 1))}

    def _fail(self, texts: list[str]) -> None:
        everything = " ".join(texts)
        if "dawdle" in everything:
            time.sleep(1)
        if "perish" in everything:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in everything:
            time.sleep(3600)
        if "explode" in everything:
            raise RuntimeError("InvalidArgumentError at /secret/path")
        if "starve" in everything or ("crowd" in everything and len(texts) > 2):
            raise OutOfMemory


def load(settings: Settings) -> tuple[ModelInfo, Handle]:
    """What each worker process calls; see `service.engine_process`."""
    configure_logs(settings.log_level)
    info = INFO
    if (settings.artifact / artifact.MANIFEST).is_file():
        info = replace(INFO, version=artifact.read_manifest(settings.artifact).version)
    tokenizer = Tokenizer.train(CORPUS, CORPUS, INFO.styles, 400)
    model = Model(tokenizer)
    return serving(
        Engine(
            info=info,
            tokenizer=tokenizer,
            signatures={
                artifact.SUMMARIZE: model.summarize,
                artifact.SCORE_SENTENCES: model.score_sentences,
            },
            max_batch_tokens=settings.max_batch_tokens,
        )
    )


def main() -> int:
    metrics = Metrics()

    async def load(settings: Settings) -> Predictor:
        target = "tests.end_to_end.faulty_service:load"
        return await ScheduledPredictor.load(target, settings, metrics)

    return serve(Settings(), load, metrics)


if __name__ == "__main__":
    sys.exit(main())
