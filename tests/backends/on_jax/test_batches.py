"""Batches that are made on the device, and what a step minimises; run where JAX is."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.accelerated.batches import PLAIN, DeviceCorpus, Mixture, RowStream, make_batch
from model.accelerated.objective import log_probs_of, opinions_of
from model.data import KNOWN_SHARE
from model.encoder import SummarizerConfig
from model.lead_oracle import HIDDEN
from model.packed import SENTENCE_BIT, PackedCorpus, pack
from model.readers import read_examples
from model.summarizer import Summarizer, score
from model.tokenizer import EOS_ID, MASK_ID, Tokenizer
from model.words.truecasing import Truecaser

FILE = Path(__file__).parents[3] / "model" / "builtin_corpus.jsonl"
WIDTH, STEPS = 256, 48
ROWS = jnp.arange(32)


@pytest.fixture(scope="module")
def packed() -> PackedCorpus:
    examples = list(read_examples(str(FILE), 100_000))[:32]
    texts = [example.text for example in examples]
    tokenizer = Tokenizer.train(texts, [e.summary for e in examples], ("headline", "title"), 600)
    truecaser = Truecaser.learn(texts)
    return pack(examples, tokenizer, truecaser, max_source_tokens=1024, max_summary_tokens=STEPS)


def made(packed: PackedCorpus, mixture: Mixture = PLAIN, gap: float | None = None, seed: int = 0):
    share = None if gap is None else jnp.float32(gap)
    corpus, key = DeviceCorpus.of(packed), jax.random.key(seed)
    batch = make_batch(corpus, ROWS, key, mixture, WIDTH, STEPS, share)
    return {name: np.asarray(array) for name, array in batch.items()}


def text(packed: PackedCorpus, row: int) -> list[int]:
    start, length = packed.source_starts[row], packed.source_lengths[row]
    return (packed.tokens[start : start + length] & (SENTENCE_BIT - 1)).tolist()


def test_a_plain_batch_is_the_packed_rows(packed: PackedCorpus) -> None:
    batch = made(packed)
    for row in range(len(ROWS)):
        ids = [*text(packed, row)[: WIDTH - 1], EOS_ID]
        assert batch["source_ids"][row].tolist() == ids + [0] * (WIDTH - len(ids))
        start, length = packed.target_starts[row], packed.target_lengths[row]
        target = packed.targets[start : start + length].tolist()
        assert batch["summary_ids"][row].tolist() == target + [0] * (STEPS - length)
        assert batch["previous_ids"][row, 0] == packed.start_ids[row]
    assert (batch["previous_ids"][:, 1:] == batch["summary_ids"][:, :-1]).all()
    assert (batch["source_keep_mask"] == (batch["source_ids"] != 0)).all()
    assert (batch["summary_weights"] == (batch["summary_ids"] != 0)).all()


def test_an_inner_text_starts_at_the_third_sentence(packed: PackedCorpus) -> None:
    batch = made(packed, Mixture(hidden_share=0, inner_share=1, cut_share=0, word_dropout=0))
    for row in np.flatnonzero(packed.inner_starts >= 0):
        ids = [*text(packed, row)[packed.inner_starts[row] :][: WIDTH - 1], EOS_ID]
        assert batch["source_ids"][row, : len(ids)].tolist() == ids
        labels = packed.labels[row][packed.labels[row] > 0]
        seen = labels[labels <= batch["sentence_ids"][row].max()] - 1
        assert np.flatnonzero(batch["sentence_targets"][row]).tolist() == sorted(seen.tolist())
        assert not batch["is_plain"][row]
    assert HIDDEN == 2


def test_a_cut_leaves_what_the_summary_needs(packed: PackedCorpus) -> None:
    mixture = Mixture(hidden_share=0, inner_share=0, cut_share=1, word_dropout=0)
    plain, cuts = made(packed), 0
    for seed in range(8):
        batch = made(packed, mixture, seed=seed)
        for row in range(len(ROWS)):
            left = batch["source_ids"][row]
            if (left == plain["source_ids"][row]).all():
                continue
            cuts += 1
            target = [i for i in batch["summary_ids"][row] if i > EOS_ID]
            assert np.isin(target, left).mean() >= KNOWN_SHARE - 1e-6
    assert cuts


def test_a_hidden_sentence_is_the_target(packed: PackedCorpus) -> None:
    batch = made(packed, gap=1.0)
    rows = np.flatnonzero(~batch["is_plain"])
    assert len(rows)
    for row in rows:
        target = [int(i) for i in batch["summary_ids"][row] if i][:-1]
        joined = " ".join(map(str, target))
        assert f" {joined} " in f" {' '.join(map(str, text(packed, row)))} "
        assert f" {joined} " not in f" {' '.join(map(str, batch['source_ids'][row]))} "
        assert batch["previous_ids"][row, 0] == MASK_ID
        assert MASK_ID in batch["source_ids"][row]


def test_eos_is_never_hidden_and_padding_always_is(packed: PackedCorpus) -> None:
    batch = made(packed, Mixture(hidden_share=1, inner_share=0, cut_share=0, word_dropout=0))
    ids, kept = batch["source_ids"], batch["source_keep_mask"]
    assert kept[ids == EOS_ID].all()
    assert not kept[ids == 0].any()
    assert not kept[ids > EOS_ID].all()


def test_opinions_are_of_the_mixture(packed: PackedCorpus) -> None:
    batch = made(packed)
    config = SummarizerConfig(
        vocab_size=600, hidden_dim=16, num_layers=1, num_heads=2, ffn_dim=32, dropout=0.0
    )
    model = Summarizer(config)
    source = model.encode(batch["source_ids"], batch["source_keep_mask"])
    prediction = model.predict_all(source, batch["previous_ids"])
    expected = score(source, prediction, batch["summary_ids"]).log_probs
    found = log_probs_of(source, prediction, jnp.asarray(batch["summary_ids"])[..., None])
    real = batch["summary_ids"] != 0
    assert np.asarray(found)[..., 0][real] == pytest.approx(np.asarray(expected)[real], abs=1e-4)
    opinions = opinions_of(model, batch, 8)
    assert np.asarray(opinions.probs, np.float32).sum(-1)[real] == pytest.approx(1.0, abs=2e-3)
    everything = jnp.broadcast_to(jnp.arange(600), (2, STEPS, 600))
    two = {name: array[:2] for name, array in batch.items()}
    source = model.encode(two["source_ids"], two["source_keep_mask"])
    whole = log_probs_of(source, model.predict_all(source, two["previous_ids"]), everything)
    assert (np.asarray(opinions.ids)[:2] == np.asarray(whole).argmax(-1)[..., None]).any(-1).all()


def test_rows_come_once_before_any_comes_twice() -> None:
    stream = RowStream([(np.arange(40), 1.0)], np.zeros(40, bool), 0.5, 0)
    assert sorted(np.concatenate([stream.take(8) for _ in range(5)])) == list(range(40))


def test_formulaic_rows_come_as_often_as_asked() -> None:
    stream = RowStream([(np.arange(4000), 1.0)], np.arange(4000) < 2000, 0.5, 0)
    taken = np.concatenate([stream.take(3000) for _ in range(4)])
    assert (taken < 2000).mean() == pytest.approx(1 / 3, abs=0.03)
