"""Plain greedy summaries, fast: no filter, no length penalty. For comparing networks only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from model.summarizer import LOG_FLOOR, Summarizer
from model.tokenizer import EOS_ID, PAD_ID

Array = Any


def greedy(model: Summarizer, batch: dict[str, Array], steps: int) -> Array:
    """The ids int32 (B, `steps`) that are likeliest one by one, 0 after `<eos>`.

    To be called where the network's variables have values, and to be traced.
    """
    source = model.encode(batch["source_ids"], batch["source_keep_mask"])
    columns = model.output_columns()
    rows = jnp.arange(source.ids.shape[0])[:, None]

    def step(carried: Any, _: None) -> Any:
        last, state, finished = carried
        prediction, state = model.predict_next(source, last, state, columns)
        gate = prediction.copy_gate[:, 0, None]
        mixed = (1.0 - gate) * jax.nn.softmax(prediction.generator_logits[:, 0], axis=-1)
        mixed = mixed.at[rows, source.ids].add(gate * prediction.attention_weights[:, 0])
        mixed = jnp.log(mixed + LOG_FLOOR).at[:, PAD_ID].set(-1e9)
        chosen = jnp.where(finished, PAD_ID, jnp.argmax(mixed, axis=-1)).astype(jnp.int32)
        return (chosen[:, None], state, finished | (chosen == EOS_ID)), chosen

    first = batch["previous_ids"][:, :1]
    state = tuple(part[:, None] for part in source.initial_state)
    nobody = jnp.zeros(first.shape[0], bool)
    _, ids = jax.lax.scan(step, (first, state, nobody), None, length=steps)
    return ids.T
