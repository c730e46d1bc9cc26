from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

from model.data import (
    SHORTEST_CUT,
    Batch,
    Batches,
    BatchOptions,
    padded,
)
from model.readers import Example
from model.tokenizer import EOS_ID, MASK_ID, PAD_ID, Tokenizer
from model.words.truecasing import Truecaser

OPTIONS = BatchOptions(
    max_source_tokens=64,
    max_summary_tokens=24,
    tokens_per_batch=512,
    bucket_tokens=16,
    window_batches=4,
    inner_share=0.0,
    cut_share=0.0,
    seed=7,
)
PLAIN = replace(OPTIONS, hidden_share=0.0, word_dropout=0.0)


@pytest.fixture(scope="module")
def examples(corpus: list[dict[str, str]]) -> list[Example]:
    return [
        Example(row["text"], row["summary"], row["style"], row["source"]) for row in corpus[:60]
    ]


@pytest.fixture(scope="module")
def make_batches(examples: list[Example], tokenizer: Tokenizer) -> Callable[..., Batches]:
    def make(
        options: BatchOptions = OPTIONS,
        groups: Sequence[tuple[Sequence[Example], float]] | None = None,
    ) -> Batches:
        return Batches(groups or [(examples, 1.0)], tokenizer, Truecaser({}), options)

    return make


def arrays(batch: Batch) -> list[Any]:
    return [*batch.inputs().values(), *batch.targets().values()]


def assert_equal(ours: Sequence[Batch], theirs: Sequence[Batch]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        for array, expected in zip(arrays(one), arrays(other), strict=True):
            np.testing.assert_array_equal(array, expected)


def test_an_epoch_is_the_same_every_time(make_batches: Callable[..., Batches]) -> None:
    assert_equal(list(make_batches().epoch(2)), list(make_batches().epoch(2)))


@pytest.mark.parametrize("other", [(8, 2), (7, 3)])
def test_another_seed_or_epoch_is_in_another_order(
    make_batches: Callable[..., Batches], other: tuple[int, int]
) -> None:
    seed, epoch = other
    ours = next(make_batches().epoch(2))
    theirs = next(make_batches(replace(OPTIONS, seed=seed)).epoch(epoch))
    assert ours.source_ids.tolist() != theirs.source_ids.tolist()


@pytest.mark.parametrize("skip", [1, 5, 1000])
def test_skipping_gives_the_same_batches_as_dropping(
    make_batches: Callable[..., Batches], skip: int
) -> None:
    whole = list(make_batches().epoch(1))
    assert len(whole) > 6
    assert_equal(list(make_batches().epoch(1, skip=skip)), whole[skip:])


def sources(batches: Sequence[Batch]) -> Counter[tuple[int, ...]]:
    rows = (row for batch in batches for row in batch.source_ids)
    return Counter(tuple(int(token_id) for token_id in row if token_id) for row in rows)


def test_every_example_of_weight_one_comes_once_an_epoch(
    make_batches: Callable[..., Batches], examples: list[Example], tokenizer: Tokenizer
) -> None:
    expected = Counter(tuple(tokenizer.encode(e.text, 64, whole_words=False).ids) for e in examples)
    assert sources(list(make_batches().epoch(0))) == expected


@pytest.mark.parametrize(
    ("weight", "counts"), [(0.5, {1: 30}), (2.0, {2: 60}), (1.25, {1: 45, 2: 15})]
)
def test_a_weight_is_how_often_a_pair_is_seen(
    make_batches: Callable[..., Batches],
    examples: list[Example],
    weight: float,
    counts: dict[int, int],
) -> None:
    seen = sources(list(make_batches(groups=[(examples, weight)]).epoch(0)))
    assert Counter(seen.values()) == counts


def test_files_are_mixed(make_batches: Callable[..., Batches], examples: list[Example]) -> None:
    groups = [(examples[:30], 1.0), (examples[30:], 0.5)]
    batches = list(make_batches(groups=groups).epoch(0))
    assert sources(batches).total() == 45


def test_rows_are_texts_and_their_summaries(
    make_batches: Callable[..., Batches], examples: list[Example], tokenizer: Tokenizer
) -> None:
    expected = {}
    for e in examples:
        (summary,) = tokenizer.encode_ids([e.summary])
        source = tuple(tokenizer.encode(e.text, 64, whole_words=False).ids)
        expected[source] = ([*summary, EOS_ID][:24], tokenizer.start_id(e.style))
    for batch in make_batches(PLAIN).epoch(0):
        for source, summary, previous in zip(
            batch.source_ids, batch.summary_ids, batch.previous_ids, strict=True
        ):
            ids, start = expected[tuple(int(i) for i in source if i)]
            assert [i for i in summary if i] == ids
            assert [i for i in previous if i] == [start, *ids[:-1]]


def test_targets_are_truecased(tokenizer: Tokenizer) -> None:
    example = Example("The long summer festival began.", "Long Summer Festival", "title", "x")
    (batch,) = Batches([([example], 1.0)], tokenizer, Truecaser({}), PLAIN).epoch(0)
    assert tokenizer.decode(batch.summary_ids[0]).text == "Long summer festival"


def test_padding_is_on_the_right(make_batches: Callable[..., Batches]) -> None:
    for batch in make_batches(PLAIN).epoch(0):
        for array in (batch.source_ids, batch.summary_ids, batch.previous_ids):
            real = array != PAD_ID
            np.testing.assert_array_equal(real, np.sort(real, axis=1)[:, ::-1])


def test_weights_are_one_where_the_summary_is_real(make_batches: Callable[..., Batches]) -> None:
    for batch in make_batches().epoch(0):
        np.testing.assert_array_equal(batch.weights, batch.summary_ids != PAD_ID)
        assert batch.weights.dtype == np.float32


def test_batches_keep_to_their_token_budget_and_buckets(
    make_batches: Callable[..., Batches],
) -> None:
    for batch in make_batches().epoch(0):
        assert batch.source_ids.size <= OPTIONS.tokens_per_batch
        assert batch.source_ids.shape[1] % OPTIONS.bucket_tokens == 0
        longest = (batch.source_ids != PAD_ID).sum(axis=1).max()
        assert batch.source_ids.shape[1] - longest < OPTIONS.bucket_tokens


def test_a_text_over_the_budget_is_a_batch_of_its_own(make_batches: Callable[..., Batches]) -> None:
    options = replace(OPTIONS, tokens_per_batch=32)
    assert {len(batch.source_ids) for batch in make_batches(options).epoch(0)} == {1}


def test_long_texts_are_cut_and_end_in_the_end_token(make_batches: Callable[..., Batches]) -> None:
    options = replace(PLAIN, max_source_tokens=20, max_summary_tokens=6)
    for batch in make_batches(options).epoch(0):
        assert (batch.source_ids != PAD_ID).sum(axis=1).tolist() == [20] * len(batch.source_ids)
        assert (batch.source_ids[:, 19] == EOS_ID).all()
        assert batch.summary_ids.shape[1] == 6


def test_without_hiding_all_but_padding_is_kept(make_batches: Callable[..., Batches]) -> None:
    for batch in make_batches(PLAIN).epoch(0):
        np.testing.assert_array_equal(batch.source_keep_mask, batch.source_ids != PAD_ID)


def test_the_end_token_is_never_hidden(make_batches: Callable[..., Batches]) -> None:
    for batch in make_batches(replace(OPTIONS, hidden_share=1.0)).epoch(0):
        assert batch.source_keep_mask[batch.source_ids == EOS_ID].all()
        assert not batch.source_keep_mask[batch.source_ids == PAD_ID].any()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_texts_has_positions_hidden(
    make_batches: Callable[..., Batches], share: float
) -> None:
    batches = make_batches(replace(OPTIONS, hidden_share=share))
    hidden = [
        float((~keep[ids != PAD_ID]).mean())
        for epoch in range(4)
        for batch in batches.epoch(epoch)
        for ids, keep in zip(batch.source_ids, batch.source_keep_mask, strict=True)
    ]
    assert np.mean(np.array(hidden) > 0) == pytest.approx(share, abs=0.1)
    if share == 1.0:  # rates are drawn from 0 to 1
        assert np.mean(hidden) == pytest.approx(0.5, abs=0.05)
        assert np.std(hidden) == pytest.approx(12**-0.5, abs=0.05)


def test_word_dropout_forgets_words_but_never_the_start(
    make_batches: Callable[..., Batches], tokenizer: Tokenizer
) -> None:
    starts = [tokenizer.start_id(style) for style in tokenizer.styles]
    forgotten = total = 0
    for batch in make_batches(replace(OPTIONS, word_dropout=0.5)).epoch(0):
        assert np.isin(batch.previous_ids[:, 0], starts).all()
        words = batch.previous_ids[:, 1:]
        forgotten += int((words == MASK_ID).sum())
        total += int((words != PAD_ID).sum())
        assert not (batch.summary_ids == MASK_ID).any()
        np.testing.assert_array_equal((words == PAD_ID), (batch.summary_ids[:, 1:] == PAD_ID))
    assert forgotten / total == pytest.approx(0.5, abs=0.05)


def test_merge_dropout_splits_sources_and_leaves_summaries(
    make_batches: Callable[..., Batches], examples: list[Example], tokenizer: Tokenizer
) -> None:
    options = replace(PLAIN, merge_dropout=0.5, max_source_tokens=400)
    batches = list(make_batches(options).epoch(0))
    texts = {tokenizer.decode(row).text for batch in batches for row in batch.source_ids}
    assert texts == {" ".join(e.text.split()) for e in examples}
    tokens = sum(int((batch.source_ids != PAD_ID).sum()) for batch in batches)
    assert tokens > sum(len(tokenizer.encode(e.text).ids) for e in examples)


def test_inputs_are_what_the_network_takes(make_batches: Callable[..., Batches]) -> None:
    (batch,) = islice(make_batches().epoch(0), 1)
    dtypes = {name: array.dtype for name, array in batch.inputs().items()}
    assert dtypes == {
        "source_ids": np.int32,
        "source_keep_mask": np.bool_,
        "previous_ids": np.int32,
        "summary_ids": np.int32,
        "sentence_ids": np.int32,
        "sentence_targets": np.float32,
    }


def test_padded_fills_with_zeros_on_the_right() -> None:
    np.testing.assert_array_equal(padded([[5, 6], [], [7]], 3), [[5, 6, 0], [0, 0, 0], [7, 0, 0]])


def test_a_share_of_the_texts_is_cut_short(make_batches: Callable[..., Batches]) -> None:
    options = replace(PLAIN, max_source_tokens=60, short_source_tokens=9, short_share=0.5)
    lengths = source_lengths(make_batches(options, [(WHOLE * 20, 1.0)]))
    assert set(lengths) == {9, 60}
    assert 0.3 < lengths[9] / lengths.total() < 0.7


def source_lengths(batches: Batches) -> Counter[int]:
    rows = (row for batch in batches.epoch(0) for row in batch.source_ids)
    return Counter(int((row != PAD_ID).sum()) for row in rows)


LEAD = "The town council approved a tram line to the harbour. It will open next spring. "
REST = (
    "Rain fell all week. The tram line to the harbour was approved by the council. "
    "Bread prices rose. Nothing else was on the agenda of the evening."
)
WHOLE = [Example(LEAD + REST, "Council approved harbour tram line", "headline", "town")]


def test_a_text_is_cut_only_where_its_summary_remains(make_batches: Callable[..., Batches]) -> None:
    options = replace(PLAIN, cut_share=1.0, max_source_tokens=200)
    told_early = WHOLE[0]
    told_late = replace(told_early, text=f"{REST} {LEAD}", summary="Line opens next spring")
    whole = source_lengths(make_batches(replace(options, cut_share=0.0), [(WHOLE * 40, 1.0)]))
    cut = source_lengths(make_batches(options, [([told_early] * 40, 1.0)]))
    assert len(whole) == 1
    assert SHORTEST_CUT <= min(cut) < max(cut) <= max(whole)
    assert len(cut) > 5
    late = source_lengths(make_batches(options, [([told_late] * 40, 1.0)]))
    assert min(late) > max(whole) - 10


def test_summaries_of_a_batch_are_about_as_long(make_batches: Callable[..., Batches]) -> None:
    """What is padded of a summary costs a row of the vocabulary."""
    text = WHOLE[0].text
    pairs = [
        Example(text, " ".join(text.split()[:count]), "headline", "town") for count in [3, 12] * 20
    ]
    options = replace(PLAIN, window_batches=16)
    batches = list(make_batches(options, [(pairs, 1.0)]).epoch(0))
    assert len(batches) > 2
    mixed = [batch for batch in batches if np.ptp((batch.summary_ids != PAD_ID).sum(axis=1)) > 3]
    assert len(mixed) <= 1


def inner(make_batches: Callable[..., Batches], example: Example) -> Batch:
    options = replace(PLAIN, inner_share=1.0, max_source_tokens=200, hidden_share=1.0)
    (batch,) = make_batches(options, [([example], 1.0)]).epoch(0)
    return batch


def test_an_inner_text_lacks_its_lead_and_has_labels(
    make_batches: Callable[..., Batches], tokenizer: Tokenizer
) -> None:
    batch = inner(make_batches, WHOLE[0])
    (source,) = batch.source_ids
    assert tokenizer.decode(source[source > EOS_ID]).text == REST
    (numbers,) = batch.sentence_ids
    assert set(numbers[source > EOS_ID].tolist()) == {1, 2, 3, 4}
    assert (numbers[source <= EOS_ID] == 0).all()
    assert batch.sentence_targets[0].argmax() == 1
    assert batch.sentence_targets.sum() == pytest.approx(1.0)
    assert batch.weights.sum() == (batch.summary_ids != PAD_ID).sum()


def test_nothing_of_a_labelled_text_is_hidden(make_batches: Callable[..., Batches]) -> None:
    batch = inner(make_batches, WHOLE[0])
    np.testing.assert_array_equal(batch.source_keep_mask, batch.source_ids != PAD_ID)


def test_a_summary_that_only_the_lead_supports_is_not_learnt(
    make_batches: Callable[..., Batches],
) -> None:
    batch = inner(make_batches, replace(WHOLE[0], summary="Opening planned for spring, mayor says"))
    assert batch.weights.sum() == 0
    assert batch.sentence_targets.sum() == pytest.approx(1.0)


def test_a_text_of_few_sentences_keeps_its_lead(
    make_batches: Callable[..., Batches], tokenizer: Tokenizer
) -> None:
    batch = inner(make_batches, replace(WHOLE[0], text=LEAD))
    source = batch.source_ids[0]
    assert tokenizer.decode(source[source > EOS_ID]).text == LEAD.strip()
    assert batch.sentence_targets.sum() == 0


@pytest.mark.parametrize(
    ("summary", "kept"),
    [
        ("Example Statement on the Harbour Budget", 0),
        ("Example Issues Statement Regarding Rain", 0),
        ("Statements Following the Council's Vote", 0),
        ("Baker Convicted of False Statements to the Town", 1),
        ("Council Approves Harbour Budget", 1),
    ],
)
def test_headlines_that_only_announce_a_statement_can_be_left_out(
    make_batches: Callable[..., Batches], summary: str, kept: int
) -> None:
    options = replace(PLAIN, formulaic_share=0.0)
    batches = make_batches(options, [([replace(WHOLE[0], summary=summary)], 1.0)])
    assert sum(len(batch.source_ids) for batch in batches.epoch(0)) == kept
