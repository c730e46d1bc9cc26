from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from model.lead_oracle import HIDDEN
from model.packed import SENTENCE_BIT, PackedCorpus, main, pack
from model.readers import Example, read_examples
from model.sentences import split_sentences
from model.tokenizer import EOS_ID, Tokenizer
from model.words.truecasing import Truecaser

FILE = Path(__file__).parents[2] / "model" / "builtin_corpus.jsonl"


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return list(read_examples(str(FILE), 100_000))[:40]


@pytest.fixture(scope="module")
def truecaser(examples: list[Example]) -> Truecaser:
    return Truecaser.learn(example.text for example in examples)


@pytest.fixture(scope="module")
def packed(examples: list[Example], tokenizer: Tokenizer, truecaser: Truecaser) -> PackedCorpus:
    return pack(examples, tokenizer, truecaser, max_source_tokens=1024, max_summary_tokens=48)


def source(packed: PackedCorpus, row: int) -> list[int]:
    start, length = packed.source_starts[row], packed.source_lengths[row]
    return packed.tokens[start : start + length].tolist()


def target(packed: PackedCorpus, row: int) -> list[int]:
    start, length = packed.target_starts[row], packed.target_lengths[row]
    return packed.targets[start : start + length].tolist()


def same(one: PackedCorpus, other: PackedCorpus) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        and getattr(one, field.name).dtype == getattr(other, field.name).dtype
        for field in fields(PackedCorpus)
    )


def test_each_sentence_begins_with_the_bit(
    packed: PackedCorpus, examples: list[Example], tokenizer: Tokenizer
) -> None:
    for row, example in enumerate(examples):
        pieces = [example.text[a:b] for a, b in split_sentences(example.text)]
        expected = [
            token | SENTENCE_BIT * (i == 0)
            for ids in tokenizer.encode_ids(pieces)
            for i, token in enumerate(ids)
        ]
        assert source(packed, row) == expected


def test_targets_are_truecased_and_end(
    packed: PackedCorpus, examples: list[Example], tokenizer: Tokenizer, truecaser: Truecaser
) -> None:
    for row, example in enumerate(examples):
        summary = truecaser.truecase(example.summary, example.text)
        [ids] = tokenizer.encode_ids([summary])
        assert target(packed, row) == [*ids, EOS_ID][:48]
        assert packed.start_ids[row] == tokenizer.start_id(example.style)


def test_targets_stay_as_they_are_without_a_truecaser(
    examples: list[Example], tokenizer: Tokenizer
) -> None:
    found = pack(examples, tokenizer, None, max_source_tokens=1024, max_summary_tokens=48)
    for row, example in enumerate(examples):
        [ids] = tokenizer.encode_ids([example.summary])
        assert target(found, row) == [*ids, EOS_ID][:48]


def test_merges_left_out_split_the_text_and_not_the_target(
    packed: PackedCorpus, examples: list[Example], tokenizer: Tokenizer, truecaser: Truecaser
) -> None:
    def again() -> PackedCorpus:
        return pack(
            examples,
            tokenizer,
            truecaser,
            max_source_tokens=4096,
            max_summary_tokens=48,
            merge_dropout=0.3,
        )

    found = again()
    assert same(found, again())
    assert found.source_lengths.sum() > 1.1 * packed.source_lengths.sum()
    assert np.array_equal(found.targets, packed.targets)
    for row, example in enumerate(examples):
        ids = [token & (SENTENCE_BIT - 1) for token in source(found, row)]
        spelt = "".join(tokenizer.decode(ids).text.split())
        assert spelt == "".join(example.text.split())


def test_labels_count_from_the_third_sentence_where_the_inner_text_starts(
    packed: PackedCorpus, examples: list[Example]
) -> None:
    labelled = packed.inner_starts >= 0
    assert labelled.any()
    assert not packed.labels[~labelled].any()
    for row in np.flatnonzero(labelled):
        flags = [i for i, token in enumerate(source(packed, row)) if token & SENTENCE_BIT]
        assert packed.inner_starts[row] == flags[HIDDEN]
        number = len(split_sentences(examples[row].text))
        assert 1 <= packed.labels[row].max() <= number - HIDDEN


def test_texts_and_targets_are_cut(
    examples: list[Example], tokenizer: Tokenizer, truecaser: Truecaser
) -> None:
    small = pack(
        examples,
        tokenizer,
        truecaser,
        max_source_tokens=9,
        max_summary_tokens=5,
        with_labels=False,
    )
    assert small.source_lengths.tolist() == [8] * len(examples)  # and <eos>, which is not kept
    assert small.target_lengths.max() == 5
    assert (small.inner_starts == -1).all()


def test_formulaic_headlines_are_marked(tokenizer: Tokenizer, truecaser: Truecaser) -> None:
    rows = [
        Example("It rained.", summary, "headline", "here")
        for summary in ("Statement by Reed on the harbour", "The mayor opens the harbour")
    ]
    small = pack(rows, tokenizer, truecaser, max_source_tokens=9, max_summary_tokens=9)
    assert small.formulaic.tolist() == [True, False]


def test_what_is_saved_is_loaded(packed: PackedCorpus, tmp_path: Path) -> None:
    packed.save(tmp_path / "pack.npz")
    assert same(PackedCorpus.load(tmp_path / "pack.npz"), packed)


def test_joined_parts_keep_their_rows(packed: PackedCorpus) -> None:
    both = PackedCorpus.joined([packed, packed])
    assert len(both) == 2 * len(packed)
    for row in range(len(packed)):
        assert source(both, row + len(packed)) == source(packed, row)
        assert target(both, row + len(packed)) == target(packed, row)


def test_the_command_packs_every_second_example(
    tokenizer: Tokenizer, truecaser: Truecaser, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    spellings = json.dumps(truecaser.spellings)
    (tmp_path / "truecaser.json").write_text(spellings, encoding="utf-8")
    given = f"--tokenizer {tmp_path}/tokenizer.json --truecaser {tmp_path}/truecaser.json"
    given += f" --out {tmp_path}/pack.npz --every 2 --first 1"
    assert main(["--data", str(FILE), *given.split()]) == 0
    expected = pack(
        list(read_examples(str(FILE), 100_000))[1::2],
        tokenizer,
        truecaser,
        max_source_tokens=1024,
        max_summary_tokens=48,
    )
    assert same(PackedCorpus.load(tmp_path / "pack.npz"), expected)
