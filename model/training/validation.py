"""Loss and ROUGE while training, with the search that will be exported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

import keras
import numpy as np
from keras import ops

from model.data import Batches, BatchOptions, padded
from model.evaluation.rouge import rouge
from model.inference import Inference
from model.readers import Example
from model.steering.filters import SearchOptions
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer
from model.words.truecasing import Truecaser

LOSS_DOCUMENTS, ROUGE_DOCUMENTS = 256, 100
"""Validated of each data set, from its beginning."""

ROUGE_NAMES = ("rouge1", "rouge2", "rougeL")

BATCH = 20
STEPS = 28


def measure(
    inference: Inference,
    tokenizer: Tokenizer,
    truecaser: Truecaser,
    examples: Sequence[Example],
    options: BatchOptions,
) -> dict[str, float]:
    """`loss` in nats a token with nothing hidden and nothing dropped, and the three ROUGE."""
    plain = replace(
        options,
        inner_share=0.0,
        cut_share=0.0,
        formulaic_share=1.0,
        hidden_share=0.0,
        word_dropout=0.0,
        merge_dropout=0.0,
    )
    batches = Batches([(examples[:LOSS_DOCUMENTS], 1.0)], tokenizer, truecaser, plain)
    scores = greedy_rouge(
        inference, tokenizer, examples[:ROUGE_DOCUMENTS], options.max_source_tokens
    )
    loss = loss_per_token(inference.model, batches)
    return {"loss": loss} | dict(zip(ROUGE_NAMES, scores, strict=True))


def greedy_rouge(
    inference: Inference, tokenizer: Tokenizer, examples: Sequence[Example], max_source_tokens: int
) -> list[float]:
    """Mean ROUGE-1, -2 and -L F1, from 0 to 100, of greedy summaries."""
    summaries = []
    for first in range(0, len(examples), BATCH):
        chunk = examples[first : first + BATCH]
        sources = [tokenizer.encode(e.text, max_source_tokens).ids for e in chunk]
        style_ids = np.array([inference.styles.index(e.style) for e in chunk], np.int32)
        source_ids = padded(sources, max(len(source) for source in sources))
        for row in ops.convert_to_numpy(_greedy(inference)(source_ids, style_ids)):
            kept = [int(token_id) for token_id in row if token_id not in (PAD_ID, EOS_ID)]
            summaries.append(tokenizer.decode(kept).text)
    scores = rouge(summaries, [example.summary for example in examples])
    return [float(mean) for mean in scores.mean(axis=0)]


def loss_per_token(model: keras.Model, batches: Batches) -> float:
    """Nats a token over one epoch, at most a batch for each of `LOSS_DOCUMENTS`."""
    total = tokens = 0.0
    for batch in islice(batches.epoch(0), LOSS_DOCUMENTS):
        weight = float(batch.weights.sum())
        losses = model.test_on_batch(batch.inputs(), batch.targets(), return_dict=True)
        total += weight * float(losses["summary_loss"])
        tokens += weight
    return total / tokens


@cache
def _greedy(inference: Inference) -> Any:
    """Greedy search, as a graph where the backend is TensorFlow: eager loops are slow."""

    def search(source_ids: Any, style_ids: Any) -> Any:
        batch = ops.shape(style_ids)[0]
        limit, least = ops.full((batch,), STEPS, "int32"), ops.full((batch,), 3, "int32")
        options = SearchOptions(limit, least, ops.ones((batch,)), 1)
        real = ops.not_equal(source_ids, 0)
        found = inference.summarize(
            source_ids, real, style_ids, options, ops.zeros_like(source_ids)
        )
        return found.summary_ids

    if keras.backend.backend() != "tensorflow":
        return search
    import tensorflow as tf

    ids = tf.TensorSpec([None, None], tf.int32)
    styles = tf.TensorSpec([None], tf.int32)
    return tf.function(search, input_signature=[ids, styles], autograph=False)
