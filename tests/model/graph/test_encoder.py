"""The exported encoder: exact until it is filled, then near it in bfloat16, and stored once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from model.encoder import SummarizerConfig
from model.graph.encoder import TYPE, BlockWeights, ChosenEncoder
from model.summarizer import Source, Summarizer

DRAWN = np.random.default_rng(3)
IDS = DRAWN.integers(4, 90, (3, 40)).astype(np.int32) * (np.arange(40) < [[40], [25], [7]])
KEEP = DRAWN.random(IDS.shape) > 0.1
WINDOWS = {"all": None, "near, as a matrix": 16, "near, in blocks": 8}


@pytest.fixture(scope="module", params=WINDOWS.values(), ids=WINDOWS.keys())
def model(request: pytest.FixtureRequest) -> Iterator[Summarizer]:
    config = SummarizerConfig(
        vocab_size=90, hidden_dim=32, num_layers=2, num_heads=2, ffn_dim=64,
        attention_window=request.param, num_global_tokens=2,
    )  # fmt: skip
    model = Summarizer(config)
    for variable in model.trainable_variables:  # blocks begin as the identity
        variable.assign(DRAWN.normal(1.0 if "scale" in variable.path else 0, 0.2, variable.shape))
    return model


def distance(found: Source, reference: Source) -> float:
    """The largest, of all that a decoder gets."""
    pairs = zip(tf.nest.flatten(found), tf.nest.flatten(reference), strict=True)
    return max(float(np.abs(np.subtract(a, b, dtype=np.float64)).max()) for a, b in pairs)


def test_it_is_exact_until_it_is_filled_then_near_and_exact_again_once_told(
    model: Summarizer,
) -> None:
    half = Summarizer(model.config, encoder_dtype="mixed_bfloat16")  # as Keras does it
    half.set_weights(model.get_weights())
    encoder = ChosenEncoder(model)
    read = tf.function(encoder, autograph=False)
    reference = model.encode(IDS, KEEP)
    exact = read(tf.constant(IDS), tf.constant(KEEP))
    assert distance(exact, reference) < 1e-5
    encoder.fill()
    near = read(tf.constant(IDS), tf.constant(KEEP))
    assert 1e-4 < distance(near, reference) < 1.5 * distance(half.encode(IDS, KEEP), reference)
    assert near.encoder_output.dtype == tf.float32
    encoder.leave()
    assert distance(read(tf.constant(IDS), tf.constant(KEEP)), reference) < 1e-5


def test_neighbours_and_padding_change_nothing_in_bfloat16(model: Summarizer) -> None:
    encoder = ChosenEncoder(model)
    encoder.fill()
    together = encoder(tf.constant(IDS), tf.constant(KEEP)).encoder_output
    for row, length in enumerate([40, 25, 7]):
        alone = encoder(
            tf.constant(IDS[row : row + 1, :length]), tf.constant(KEEP[row : row + 1, :length])
        ).encoder_output
        np.testing.assert_allclose(together[row, :length], alone[0], atol=2e-2)


def test_what_gradients_are_taken_by_is_float32(model: Summarizer) -> None:
    encoder = ChosenEncoder(model)
    encoder.fill()
    found = encoder(tf.constant(IDS), tf.constant(KEEP), embedded=model.embed(IDS))
    assert distance(found, model.encode(IDS, KEEP)) < 1e-5


def test_a_saved_graph_stores_each_weight_once_and_is_filled_by_who_loads_it(
    model: Summarizer, tmp_path: Path
) -> None:
    encoder, module = ChosenEncoder(model), tf.Module()
    module.weights = [variable.value for variable in model.variables]
    module.bfloat16, module.is_chosen = encoder.bfloat16, encoder.is_chosen
    module.fill = encoder.fill
    specs = [tf.TensorSpec([None, None], dtype) for dtype in (tf.int32, tf.bool)]
    module.read = tf.function(
        lambda ids, keep: encoder(ids, keep).encoder_output, input_signature=specs, autograph=False
    )
    tf.saved_model.save(module, str(tmp_path))
    stored = tmp_path / "variables" / "variables.data-00000-of-00001"
    assert stored.stat().st_size < 4 * model.count_params() + 20_000  # and the graph of objects
    loaded = tf.saved_model.load(str(tmp_path))
    exact = loaded.read(IDS, KEEP).numpy()
    loaded.fill()
    near = loaded.read(IDS, KEEP).numpy()
    assert 0 < np.abs(near - exact).max() < 0.1
    assert {w.dtype for weights in loaded.bfloat16 for w in weights} == {TYPE}
    assert len(loaded.bfloat16[0]) == len(BlockWeights._fields)
