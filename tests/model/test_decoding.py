"""The search is tested on toy alphabets: a step function is a table, a summary is a string."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from model.decoding import Found, State, StepFunction, penalty, search
from model.steering import utf8
from model.steering.choices import Offer, all_tokens
from model.steering.filters import (
    IMPOSSIBLE,
    REFUSED,
    Filter,
    Moment,
    NeverTokens,
    NoRepeatedNgrams,
    SearchOptions,
    ValidUtf8,
)
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer

ALPHABET = "_.abcdefghijklmnopqrstuvwxyz"  # padding, end, letters
V = len(ALPHABET)
LETTERS = Offer(all_tokens(V).ids[:, None])


def ids(text: str) -> list[int]:
    return [ALPHABET.index(letter) for letter in text]


def text(row: Any) -> str:
    return "".join(ALPHABET[token_id] for token_id in np.asarray(row)).rstrip("_")


def options(
    max_new_tokens: int | Sequence[int] = 8,
    min_new_tokens: int | Sequence[int] = 1,
    length_penalty: float | Sequence[float] = 0.0,
    num_beams: Any = 1,
    batch: int = 1,
) -> SearchOptions:
    return SearchOptions(
        np.broadcast_to(np.array(max_new_tokens, np.int32), batch),
        np.broadcast_to(np.array(min_new_tokens, np.int32), batch),
        np.broadcast_to(np.array(length_penalty, np.float32), batch),
        num_beams,
    )


def from_table(table: NDArray[np.float32]) -> StepFunction:
    """A Markov chain: table (V, V), row = last token."""

    def step(last: Any, state: State) -> tuple[Any, State]:
        return ops.take(ops.convert_to_tensor(table), last, axis=0), state

    return step


def chain(likely: dict[str, dict[str, float]], floor: float = 1e-6) -> NDArray[np.float32]:
    """Log-probabilities (V, V) of what follows a letter; all else has `floor`."""
    table = np.full((V, V), floor)
    for last, following in likely.items():
        for letter, probability in following.items():
            table[ids(last)[0], ids(letter)[0]] = probability
    return np.log(table).astype(np.float32)


def by_position(rows: Sequence[dict[str, float]]) -> tuple[StepFunction, State]:
    """A step function whose state is the number of tokens so far; row t holds step t's letters."""
    table = np.full((len(rows), V), 1e-6)
    for t, row in enumerate(rows):
        for letter, probability in row.items():
            table[t, ids(letter)[0]] = probability
    log_table = np.log(table).astype(np.float32)

    def step(last: Any, state: State) -> tuple[Any, State]:
        (position,) = state
        row = ops.minimum(position, len(rows) - 1)
        return ops.take(ops.convert_to_tensor(log_table), row, axis=0), (position + 1,)

    return step, (np.zeros(1, np.int32),)


def run(
    step: StepFunction,
    limits: SearchOptions,
    start: str = "a",
    state: State = (),
    filters: Sequence[Filter] = (),
) -> Found:
    return search(step, state, np.array(ids(start), np.int32), limits, filters)


def never(vocab_size: int, never_ids: Sequence[int]) -> NeverTokens:
    return NeverTokens(never_ids, vocab_size)


def valid_utf8(pieces: Sequence[bytes]) -> ValidUtf8:
    return ValidUtf8(utf8.transitions(pieces, end_ids=[EOS_ID]))


def test_greedy_follows_the_likeliest_token_until_the_end() -> None:
    table = chain({"a": {"b": 0.9}, "b": {"c": 0.9}, "c": {"d": 0.9}, "d": {".": 0.9}})
    found = run(from_table(table), options())
    assert text(found.ids[0, 0]) == "bcd."


def test_what_follows_the_end_is_padding() -> None:
    found = run(
        from_table(chain({"a": {"b": 0.9}, "b": {".": 0.9}})), options([8, 3], batch=2), "ac"
    )
    np.testing.assert_array_equal(found.ids[0, 0][2:], [PAD_ID] * 6)


def test_the_score_of_greedy_is_the_log_prob_of_its_tokens() -> None:
    found = run(from_table(chain({"a": {"b": 0.9}, "b": {".": 0.8}})), options())
    assert float(found.scores[0, 0]) == pytest.approx(np.log(0.9 * 0.8), abs=1e-5)


def test_state_follows_the_steps() -> None:
    step, state = by_position([{"s": 0.9}, {"e": 0.9}, {"e": 0.9}, {"d": 0.9}, {".": 0.9}])
    assert text(run(step, options(), state=state).ids[0, 0]) == "seed."


def test_a_beam_finds_what_greedy_misses() -> None:
    table = chain({"a": {"b": 0.6, "c": 0.4}, "b": {"d": 0.3, "e": 0.3}, "c": {".": 0.95}})
    greedy = run(from_table(table), options(2))
    beam = run(from_table(table), options(2, num_beams=2))
    assert text(greedy.ids[0, 0]) in ("bd", "be")
    assert text(beam.ids[0, 0]) == "c."
    assert float(beam.scores[0, 0]) == pytest.approx(np.log(0.4 * 0.95), abs=1e-5)


def test_states_follow_their_hypotheses() -> None:
    # The state is the sum of the tokens so far: it decides what comes after the last "z".
    table = chain({"a": {"b": 0.55, "c": 0.45}, "b": {"z": 0.9}, "c": {"z": 0.95}})

    def step(last: Any, state: State) -> tuple[Any, State]:
        (total,) = state
        total = total + last
        log_probs = ops.take(ops.convert_to_tensor(table), last, axis=0)
        came_by_c = ops.logical_and(last == ids("z")[0], total == sum(ids("acz")))
        sure = np.log(chain_row("."))
        unsure = np.log(chain_row("xy"))
        at_z = (last == ids("z")[0])[:, :, None]
        ending = ops.where(came_by_c[:, :, None], sure, unsure)
        return ops.where(at_z, ending, log_probs), (total,)

    def chain_row(letters: str) -> NDArray[np.float32]:
        row = np.full(V, 1e-6, np.float32)
        row[ids(letters)] = 0.9 / len(letters)
        return row

    found = run(step, options(3, num_beams=2), state=(np.zeros(1, np.int32),))
    assert text(found.ids[0, 0]) == "cz."


@pytest.mark.parametrize(("exponent", "expected"), [(0.0, "b."), (1.0, "b."), (8.0, "cccccc")])
def test_the_length_penalty_decides_how_long_a_summary_is(exponent: float, expected: str) -> None:
    table = chain(
        {"a": {"b": 0.5, "c": 0.5}, "b": {".": 0.9}, "c": {"c": 0.6, ".": 0.4}}, floor=1e-9
    )
    limits = options(6, length_penalty=exponent, num_beams=6)
    assert text(run(from_table(table), limits).ids[0, 0]) == expected


def test_penalty_is_that_of_wu_et_al() -> None:
    found = penalty(np.array([[1, 7], [13, 1]], np.int32), np.array([1.0, 0.5], np.float32))
    np.testing.assert_allclose(found, [[1.0, 2.0], [3**0.5, 1.0]], rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wide_beam_finds_the_best_of_all_sequences(exponent: float, seed: int) -> None:
    vocab, longest, start = 5, 4, 2
    logits = np.random.default_rng(seed).normal(0.0, 1.5, (vocab, vocab))
    table = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)

    def score(sequence: Sequence[int]) -> float:
        steps = zip((start, *sequence), sequence, strict=False)
        return sum(table[a, b] for a, b in steps) / ((5 + len(sequence)) / 6) ** exponent

    letters = [2, 3, 4]
    ended = [(*c, EOS_ID) for n in range(longest) for c in product(letters, repeat=n)]
    cut = list(product(letters, repeat=longest))
    best = max([*ended, *cut], key=score)
    limits = options(longest, length_penalty=exponent, num_beams=128)
    never_padding = never(vocab, [PAD_ID])
    found = search(from_table(table), (), np.array([start], np.int32), limits, [never_padding])
    row = [int(token_id) for token_id in np.asarray(found.ids[0, 0]) if token_id]
    assert tuple(row) == best
    assert float(found.scores[0, 0]) == pytest.approx(score(best), abs=1e-4)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_no_more_than_max_new_tokens(num_beams: int) -> None:
    table = chain({"a": {"a": 0.9}})
    found = run(from_table(table), options([1, 3, 5], batch=3, num_beams=num_beams), "aaa")
    assert [text(row) for row in found.ids[:, 0]] == ["a", "aaa", "aaaaa"]


@pytest.mark.parametrize("num_beams", [1, 3])
def test_no_fewer_than_min_new_tokens_the_end_among_them(num_beams: int) -> None:
    table = chain({"a": {".": 0.9, "a": 0.1}})
    found = run(
        from_table(table),
        options(6, [1, 2, 4], batch=3, num_beams=num_beams),
        "aaa",
        filters=[never(V, [PAD_ID])],
    )
    assert [text(row) for row in found.ids[:, 0]] == [".", "a.", "aaa."]


@pytest.mark.parametrize("spread", [0.0, 1.0, 6.0])
@pytest.mark.parametrize("num_beams", [1, 4])
def test_looking_at_the_likeliest_first_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, num_beams: int, spread: float
) -> None:
    # 605 tokens are no multiple of a group; without any spread all are looked at.
    size = 605
    table = np.random.default_rng(2).normal(0.0, spread, (size, size)).astype(np.float32)
    limits = options([9, 12], 4, 0.7, num_beams=num_beams, batch=2)
    filters = [never(size, range(0, size, 7)), NoRepeatedNgrams(3)]
    starts, choices = np.array([5, 6], np.int32), all_tokens(size)
    narrowed = search(from_table(table), (), starts, limits, filters, choices)
    monkeypatch.setattr("model.decoding.LEAST_NARROWED", size + 1)
    whole = search(from_table(table), (), starts, limits, filters, choices)
    np.testing.assert_array_equal(narrowed.ids, whole.ids)
    np.testing.assert_array_equal(narrowed.scores, whole.scores)


def test_a_finished_hypothesis_keeps_its_tokens_and_its_score() -> None:
    table = chain({"a": {"b": 0.6, "c": 0.4}, "b": {".": 0.9}, "c": {"c": 0.9}, ".": {"x": 0.9}})
    found = run(from_table(table), options(8, num_beams=2))
    assert text(found.ids[0, 0]) == "b."
    assert float(found.scores[0, 0]) == pytest.approx(np.log(0.6 * 0.9), abs=1e-5)


def test_the_search_stops_when_all_hypotheses_are_finished() -> None:
    steps = []

    def step(last: Any, state: State) -> tuple[Any, State]:
        steps.append(last)
        return from_table(chain({"a": {"b": 0.9}, "b": {".": 0.9}}))(last, state)

    run(step, options(20))
    assert len(steps) == 2


def test_every_text_of_a_batch_has_its_own_limits() -> None:
    table = chain(
        {"a": {"b": 0.5, "c": 0.5}, "b": {".": 0.9}, "c": {"c": 0.6, ".": 0.4}}, floor=1e-9
    )
    found = run(
        from_table(table),
        options([6, 6, 3, 6], [1, 1, 1, 4], [0.0, 8.0, 8.0, 0.0], num_beams=6, batch=4),
        "aaaa",
        filters=[never(V, [PAD_ID])],
    )
    assert [text(row) for row in found.ids[:, 0]] == ["b.", "cccccc", "ccc", "ccc."]


def test_batch_mates_change_nothing() -> None:
    table = np.random.default_rng(5).normal(0.0, 2.0, (V, V)).astype(np.float32)
    filters = [never(V, [PAD_ID])]
    together = run(from_table(table), options([3, 7, 5], num_beams=3, batch=3), "axq", (), filters)
    for i, (start, longest) in enumerate(zip("axq", [3, 7, 5], strict=True)):
        alone = run(from_table(table), options(longest, num_beams=3), start, (), filters)
        assert text(alone.ids[0, 0]) == text(together.ids[i, 0])
        assert float(alone.scores[0, 0]) == pytest.approx(float(together.scores[i, 0]), abs=1e-5)


ROUND = chain({"a": {"b": 0.9, "x": 0.05}, "b": {"c": 0.9}, "c": {"a": 0.9}, "x": {".": 0.9}})


def test_without_the_filter_greedy_goes_round() -> None:
    assert text(run(from_table(ROUND), options(12)).ids[0, 0]) == "bcabcabcabca"


@pytest.mark.parametrize("num_beams", [1, 4])
def test_no_trigram_comes_twice(num_beams: int) -> None:
    found = run(
        from_table(ROUND),
        options(12, 9, num_beams=num_beams),
        filters=[never(V, [PAD_ID]), NoRepeatedNgrams(3)],
    )
    row = text(found.ids[0, 0])
    assert row.startswith("bcab")
    trigrams = [row[i : i + 3] for i in range(len(row) - 2)]
    assert len(set(trigrams)) == len(trigrams)


def test_a_trigram_is_refused_as_soon_as_it_could_come_twice() -> None:
    history = np.array([[ids("aaaa____"), ids("abab____")]], np.int32)
    moment = Moment(np.int32(4), history, options(), LETTERS)
    judged = np.asarray(NoRepeatedNgrams(3).judge(np.zeros((1, 2, V), np.float32), (), moment))
    assert [text([i for i in range(V) if row[i] < 0]) for row in judged[0]] == ["a", "a"]


def test_two_tokens_hold_no_trigram() -> None:
    moment = Moment(np.int32(2), np.array([[ids("aa______")]], np.int32), options(), LETTERS)
    judged = NoRepeatedNgrams(3).judge(np.zeros((1, 1, V), np.float32), (), moment)
    assert not np.asarray(judged).any()


@pytest.mark.parametrize("num_beams", [1, 4])
def test_never_tokens_never_come(num_beams: int) -> None:
    table = chain({letter: {"_": 0.5, "x": 0.4, "b": 0.1} for letter in "ab_x"})
    found = run(
        from_table(table),
        options(5, 5, num_beams=num_beams),
        filters=[never(V, ids("_x"))],
    )
    assert text(found.ids[0, 0]) == "bbbbb"


def test_something_is_left_when_everything_is_refused() -> None:
    # Only "a" is allowed and the end is too early: the refused end beats the impossible.
    everything_else = [i for i in range(V) if i != EOS_ID]
    found = run(
        from_table(np.zeros((V, V), np.float32)),
        options(3, 3),
        filters=[never(V, everything_else)],
    )
    assert text(found.ids[0, 0]) == "."


def test_refused_beats_impossible_but_nothing_else() -> None:
    assert IMPOSSIBLE < 1000 * REFUSED < 0


# Bytes: 0 padding, 1 end, then a letter, the pieces of a subscript two and of a smiley, no byte.
PIECES = [b"", b"", b"a", b"\xe2", b"\x82", b"\xf0", b"\x9f\x98\x80", b"\xff"]
LETTER, TWO_1, TWO_2, SMILE_1, SMILE_2, NO_BYTE = range(2, 8)


def search_bytes(
    favours: dict[int, float], longest: int, num_beams: int = 1, least: int = 1
) -> bytes:
    """Searches with probabilities that depend on nothing, and gives the bytes found."""
    row = np.full(len(PIECES), 1e-4)
    for token_id, probability in favours.items():
        row[token_id] = probability
    table = np.tile(np.log(row), (len(PIECES), 1)).astype(np.float32)
    filters = [never(len(PIECES), [PAD_ID]), valid_utf8(PIECES)]
    limits = options(longest, least, num_beams=num_beams)
    found = search(from_table(table), (), np.array([LETTER], np.int32), limits, filters)
    return b"".join(PIECES[i] for i in np.asarray(found.ids[0, 0]))


def test_a_character_that_was_begun_is_completed() -> None:
    assert search_bytes({TWO_1: 0.9}, longest=3).decode() == "₂"
    assert search_bytes({SMILE_1: 0.9, SMILE_2: 0.01}, longest=4).decode() == "😀😀"


def test_a_byte_that_begins_nothing_is_refused() -> None:
    assert search_bytes({NO_BYTE: 0.9, LETTER: 0.05}, longest=3) == b"aaa"


def test_the_end_in_the_middle_of_a_character_is_refused() -> None:
    assert search_bytes({TWO_1: 0.5, EOS_ID: 0.4}, longest=6, num_beams=1).decode() == "₂₂"


@pytest.mark.parametrize(("longest", "expected"), [(1, "a"), (2, "aa"), (4, "₂a"), (5, "₂aa")])
def test_a_character_that_does_not_fit_is_not_begun(longest: int, expected: str) -> None:
    assert search_bytes({TWO_1: 0.9, LETTER: 0.05}, longest).decode() == expected


def test_a_character_that_one_token_completes_fits_in_two() -> None:
    assert search_bytes({SMILE_1: 0.9, SMILE_2: 0.05, LETTER: 0.01}, longest=3).decode() == "😀a"


@pytest.mark.parametrize("longest", [1, 2, 4, 5])
def test_a_cut_character_loses_to_any_other_of_a_beam(longest: int) -> None:
    found = search_bytes({TWO_1: 0.9, LETTER: 0.01, EOS_ID: 0.001}, longest, num_beams=6)
    found.decode()


def test_after_a_broken_character_a_new_one_begins() -> None:
    table = valid_utf8(PIECES)
    state = table.advance(np.zeros((1, 2), np.int32), np.array([[NO_BYTE, TWO_1]], np.int32))
    after = table.advance(state, np.array([[LETTER, TWO_2]], np.int32))
    assert np.asarray(state)[0, 0] == 0
    assert np.asarray(after)[0].tolist()[0] == 0
    assert np.asarray(after)[0].tolist()[1] != 0


def test_real_tokens_of_any_kind_make_valid_text(tokenizer: Tokenizer) -> None:
    size = tokenizer.vocab_size
    pieces = [tokenizer.token_bytes(i) for i in range(size)]
    special = [i for i, piece in enumerate(pieces) if not piece and i != EOS_ID]
    table = np.random.default_rng(0).normal(0.0, 3.0, (size, size)).astype(np.float32)
    # Bytes above ASCII come as often as letters, and the end is rare.
    table[:, [i for i, piece in enumerate(pieces) if piece and piece[0] >= 0x80]] += 4.0
    found = search(
        from_table(table),
        (),
        np.arange(20, 28, dtype=np.int32),
        options(24, num_beams=4, batch=8),
        [never(size, special), NoRepeatedNgrams(3), valid_utf8(pieces)],
    )
    texts = [b"".join(pieces[i] for i in row).decode() for row in np.asarray(found.ids)[:, 0]]
    assert any(not found_text.isascii() for found_text in texts)


def random_step(vocab: int) -> StepFunction:
    return from_table(np.random.default_rng(1).normal(0.0, 2.0, (vocab, vocab)).astype(np.float32))


@pytest.fixture(scope="module")
def traced() -> Callable[..., Any]:
    """The search in a graph that knows neither the batch nor the number of beams."""
    filters = [never(V, [PAD_ID]), NoRepeatedNgrams(3)]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def graph(starts: Any, state: Any, *limits: Any) -> Found:
        return search(random_step(V), (state,), starts, SearchOptions(*limits), filters)

    return graph


@pytest.mark.parametrize("num_beams", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_graph_finds_what_eager_code_finds(
    traced: Callable[..., Any], num_beams: int, batch: int
) -> None:
    starts = np.array(ids("kqz")[:batch], np.int32)
    state = np.zeros((batch, 4), np.float32)
    limits = options([6, 3, 9][:batch], [1, 1, 7][:batch], 1.0, num_beams, batch)
    filters = [never(V, [PAD_ID]), NoRepeatedNgrams(3)]
    eager = search(random_step(V), (state,), starts, limits, filters)
    graph = traced(starts, state, *limits[:3], tf.constant(num_beams))
    np.testing.assert_array_equal(eager.ids, graph.ids)
    np.testing.assert_allclose(eager.scores, graph.scores, rtol=1e-5)


ENDLESS = chain(
    {"a": {"b": 0.5, "c": 0.3, "d": 0.2}, "b": {".": 0.99}, "c": {"c": 0.99}, "d": {"d": 0.99}}
)


def count_steps(limits: SearchOptions) -> tuple[int, Found]:
    steps = []

    def step(last: Any, state: State) -> tuple[Any, State]:
        steps.append(last)
        return from_table(ENDLESS)(last, state)

    found = run(step, limits, filters=[never(V, [PAD_ID])])
    return len(steps), found


def test_the_search_ends_when_no_other_hypothesis_can_win() -> None:
    limits = options(30, num_beams=3)
    all_steps, everything = count_steps(limits)
    few_steps, best = count_steps(limits._replace(num_candidates=1))
    assert all_steps == 30
    assert few_steps < 5
    assert text(best.ids[0, 0]) == text(everything.ids[0, 0]) == "b."
    assert float(best.scores[0, 0]) == pytest.approx(float(everything.scores[0, 0]), abs=1e-5)


def test_the_search_goes_on_for_every_candidate_that_is_wanted() -> None:
    steps, found = count_steps(options(30, num_beams=3)._replace(num_candidates=3))
    assert steps == 30
    assert [len(text(row)) for row in found.ids[0]] == [2, 30, 30]


def test_a_hypothesis_that_may_still_win_by_its_length_is_waited_for() -> None:
    table = chain({"a": {"b": 0.5, "c": 0.5}, "b": {".": 0.9}, "c": {"c": 0.9, ".": 0.1}})
    limits = options(20, length_penalty=2.0, num_beams=2)._replace(num_candidates=1)
    assert len(text(run(from_table(table), limits).ids[0, 0])) == 20


def test_what_one_text_has_settled_stays_while_another_goes_on() -> None:
    limits = options([30, 9], length_penalty=0.5, num_beams=3, batch=2)
    filters = [never(V, [PAD_ID])]
    limits = limits._replace(num_candidates=1)
    found = run(from_table(ENDLESS), limits, "ac", filters=filters)
    assert text(found.ids[0, 0]) == "b."
    assert text(found.ids[1, 0]) == "c" * 9
