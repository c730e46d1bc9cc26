"""ROUGE of greedy summaries while training, with the search that will be exported."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import ops

from model.data import Example, padded
from model.decoding import SearchOptions
from model.inference import Inference
from model.rouge import rouge
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

BATCH = 20
STEPS = 28


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


@cache
def _greedy(inference: Inference) -> Any:
    """Greedy search, as a graph where the backend is TensorFlow: eager loops are slow."""

    def search(source_ids: Any, style_ids: Any) -> Any:
        batch = ops.shape(style_ids)[0]
        limit, least = ops.full((batch,), STEPS, "int32"), ops.full((batch,), 3, "int32")
        options = SearchOptions(limit, least, ops.ones((batch,)), 1)
        found = inference.summarize(source_ids, ops.not_equal(source_ids, 0), style_ids, options)
        return found.summary_ids

    if keras.backend.backend() != "tensorflow":
        return search
    import tensorflow as tf

    ids = tf.TensorSpec([None, None], tf.int32)
    return tf.function(search, input_signature=[ids, tf.TensorSpec([None], tf.int32)])
