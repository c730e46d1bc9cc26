"""CTranslate2 on a Transformer of the same layers and width, with random weights.

Its decoder is one Transformer layer where ours is an LSTM with one cross-attention, and it looks
at the whole vocabulary. It copies nothing, steers nothing and returns no attention: it does less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec

DECODER_LAYERS = 1
_SPREAD = 0.05  # of random weights


class Peer:
    """One compute type, one thread."""

    def __init__(self, directory: Path, compute_type: str) -> None:
        self._translator = ctranslate2.Translator(
            str(directory),
            device="cpu",
            compute_type=compute_type,
            inter_threads=1,
            intra_threads=1,
        )

    def __call__(self, sources: Sequence[Sequence[int]], num_beams: int, steps: int) -> None:
        """Writes as many tokens as `steps` says for each source."""
        self._translator.translate_batch(
            [[str(token_id) for token_id in source] for source in sources],
            beam_size=num_beams,
            min_decoding_length=steps,
            max_decoding_length=steps,
        )


def write_model(directory: Path, config: Mapping[str, Any]) -> None:
    """Writes a model for `Peer`.

    Args:
        directory: Made here.
        config: Sizes, as the artifact's manifest has them.
    """
    layers = (config["num_layers"], DECODER_LAYERS)
    spec = TransformerSpec.from_config(layers, config["num_heads"], pre_norm=True)
    dim, ffn_dim, vocab_size = config["hidden_dim"], config["ffn_dim"], config["vocab_size"]
    draw = np.random.default_rng(0)

    def random(*shape: int) -> np.ndarray:
        return draw.normal(0.0, _SPREAD, shape).astype(np.float32)

    def norm(part: Any) -> None:
        part.gamma, part.beta = np.ones(dim, np.float32), np.zeros(dim, np.float32)

    def dense(part: Any, outputs: int, inputs: int) -> None:
        part.weight, part.bias = random(outputs, inputs), np.zeros(outputs, np.float32)

    for layer in (*spec.encoder.layer, *spec.decoder.layer):
        norm(layer.self_attention.layer_norm)
        dense(layer.self_attention.linear[0], 3 * dim, dim)  # query, key and value
        dense(layer.self_attention.linear[1], dim, dim)
        norm(layer.ffn.layer_norm)
        dense(layer.ffn.linear_0, ffn_dim, dim)
        dense(layer.ffn.linear_1, dim, ffn_dim)
    for layer in spec.decoder.layer:
        norm(layer.attention.layer_norm)
        dense(layer.attention.linear[0], dim, dim)
        dense(layer.attention.linear[1], 2 * dim, dim)  # key and value
        dense(layer.attention.linear[2], dim, dim)
    norm(spec.encoder.layer_norm)
    norm(spec.decoder.layer_norm)
    embedding = random(vocab_size, dim)
    spec.encoder.embeddings[0].weight = embedding
    spec.decoder.embeddings.weight = embedding
    dense(spec.decoder.projection, vocab_size, dim)
    tokens = _vocabulary(vocab_size)
    spec.register_source_vocabulary(tokens)
    spec.register_target_vocabulary(tokens)
    spec.validate()
    spec.optimize()
    directory.mkdir()
    spec.save(str(directory))


def _vocabulary(size: int) -> list[str]:
    """The numbers of the tokens, but for those that it wants by name."""
    return ["<blank>", "<s>", "</s>", "<unk>", *map(str, range(4, size))]
