from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.data import Batches, BatchOptions
from model.readers import DataError, DataFile, read_examples
from model.tokenizer import EOS_ID, MASK_ID, PAD_ID, Tokenizer
from model.training.corpus import Corpus
from model.words.truecasing import Truecaser

CENTRE = "The ferry to the island will carry bicycles from the first of May."
TEXT = (
    "News from the harbour. "
    f"{CENTRE} "
    "Until now bicycles had to stay on land. The island has few cars, and the ferry is small. "
    "Tickets cost the same as before."
)


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_most_central_sentence_is_the_summary(tmp_path: Path) -> None:
    path = write(tmp_path / "harbour.jsonl", [{"text": TEXT}, {"text": TEXT, "source": "other"}])
    first, second = read_examples(f"texts:{path}")
    assert first.summary == CENTRE
    assert first.gap is not None
    assert first.text == TEXT
    assert TEXT[slice(*first.gap)] == CENTRE
    assert (first.style, first.origin, second.origin) == ("gap_sentence", "harbour", "other")


def test_a_summary_that_is_there_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": TEXT, "summary": "Something else", "style": "x"}])
    (example,) = read_examples(f"texts:{path}")
    assert (example.summary, example.style) == (CENTRE, "gap_sentence")


def test_csv_and_parquet_need_no_column_of_summaries(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'text\n"{TEXT}"\n', encoding="utf-8")
    (example,) = read_examples(f"texts:{path}")
    assert example.summary == CENTRE
    with pytest.raises(DataError, match="'summary' is missing"):
        read_examples(path)
    path.write_text("words\nx\n", encoding="utf-8")
    with pytest.raises(DataError, match="must have the column 'text', 'text' is missing"):
        read_examples(f"texts:{path}")


@pytest.mark.parametrize("text", ["One sentence alone stands here today.", "Hm. No. Yes.", "  "])
def test_a_text_without_a_sentence_to_hide_is_a_bad_row(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": text}])
    with pytest.raises(DataError, match=r"a\.jsonl:1: 'text' must"):
        read_examples(f"texts:{path}")


def test_a_sentence_that_the_limit_cuts_is_not_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": TEXT}])
    (example,) = read_examples(f"texts:{path}", max_characters=len(TEXT) - 5)
    assert example.summary == CENTRE
    (example,) = read_examples(f"texts:{path}", max_characters=TEXT.index("Until") + 30)
    assert example.summary == CENTRE
    with pytest.raises(DataError, match="must have two sentences"):
        read_examples(f"texts:{path}", max_characters=TEXT.index("Until") - 10)


def test_the_manifest_tells_texts_from_pairs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": TEXT}])
    file = DataFile.parse(f"texts:{path}=0.5")
    assert (file.name, file.weight) == ("texts:a.jsonl", 0.5)
    assert file.sha256() == DataFile.parse(str(path)).sha256()


def batches_of(path: Path, tokenizer: Tokenizer, limit: int) -> Batches:
    examples = read_examples(f"texts:{path}")
    options = BatchOptions(
        max_source_tokens=limit, inner_share=1.0, cut_share=1.0, hidden_share=0.0, word_dropout=0.0
    )
    return Batches([(examples, 1.0)], tokenizer, Truecaser({}), options)


@pytest.mark.parametrize("limit", [512, 60])
def test_the_sentence_is_hidden_from_the_source_and_is_the_target(
    tmp_path: Path, tokenizer: Tokenizer, limit: int
) -> None:
    late = f"{TEXT} " + CENTRE.replace("bicycles", "bicycles and the ferry")
    path = write(tmp_path / "a.jsonl", [{"text": text} for text in [TEXT, late] * 30])
    tokenizer = tokenizer.add_style("gap_sentence")
    sentence = set(tokenizer.encode_ids([CENTRE])[0])
    for batch in batches_of(path, tokenizer, limit).epoch(0):
        assert batch.source_ids.shape[1] <= limit + 32
        for source, summary in zip(batch.source_ids, batch.summary_ids, strict=True):
            assert MASK_ID in source
            assert len(source[source != PAD_ID]) <= limit
            text = tokenizer.decode(source[source > MASK_ID]).text
            target = tokenizer.decode(summary[summary > EOS_ID]).text
            assert target not in text
            assert sentence & set(summary.tolist())


def test_held_out_texts_lack_the_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": TEXT}] * 40)
    corpus = Corpus.read([DataFile.parse(f"texts:{path}")], [], 512)
    assert corpus.validation
    for example in corpus.validation:
        assert example.gap is None
        assert example.summary == CENTRE
        assert CENTRE not in example.text
    ((examples, _),) = corpus.groups
    assert all(CENTRE in example.text for example in examples)
