"""Subword tokenizer whose spans point into exactly the text that the caller sent.

Byte-level BPE through `tokenizers`. Knows neither TensorFlow nor Keras.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import regex
import tokenizers

from model.subwords.byte_level import decode_utf8, token_bytes
from model.subwords.merge_dropout import MergeDropout
from model.subwords.vocabulary import learn, merges_of, token_of

Span = tuple[int, int]
"""Half-open [start, end) in code points."""

PAD, EOS, MASK = "<pad>", "<eos>", "<mask>"
PAD_ID, EOS_ID, MASK_ID = 0, 1, 2
NUM_SPARE_STARTS = 4
"""Start tokens kept free, so that fine-tuning can add a style without a new vocabulary."""

_LONGEST_CUT_WORD = 16
"""Tokens given up at the end of a text that is cut, so that half a name is not taken for one."""


@dataclass(frozen=True)
class EncodedText:
    """The ids of a text and where each comes from; `ids` ends in `<eos>`, which has no span."""

    ids: list[int]
    spans: list[Span]
    total_tokens: int
    used_end: int
    truncated: bool


@dataclass(frozen=True)
class DecodedSummary:
    """Generated ids as text, stripped, with one span an id into that text."""

    text: str
    spans: list[Span]


def word_spans(text: str) -> list[Span]:
    """Spans of the UAX #29 words of `text`, punctuation among them, whitespace not."""
    return list(iterate_word_spans(text))


def iterate_word_spans(text: str) -> Iterator[Span]:
    """The same, one by one: whoever needs the first few doesn't wait for all."""
    boundaries = (match.start() for match in regex.finditer(r"(?w)\b", text))
    for start, end in pairwise(boundaries):
        if not text[start:end].isspace():
            yield start, end


def start_token(style: str) -> str:
    """The token that begins a summary of this style."""
    return f"<start:{style}>"


class Tokenizer:
    """Text to ids with spans, and ids to text with spans."""

    pad_id, eos_id, mask_id = PAD_ID, EOS_ID, MASK_ID

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        # The library does not save this option: without it "<pad>" in a text would become id 0.
        backend.encode_special_tokens = True
        self._backend = backend
        self._dropouts: dict[float, MergeDropout] = {}
        tokens = (token_of(backend, i) for i in range(self.vocab_size))
        self._bytes = [b"" if _is_special(token) else token_bytes(token) for token in tokens]

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Reads a `tokenizer.json`."""
        return cls(tokenizers.Tokenizer.from_file(str(path)))

    @classmethod
    def train(
        cls, sources: Iterable[str], targets: Sequence[str], styles: Sequence[str], vocab_size: int
    ) -> Tokenizer:
        """Learns merges from both sides; ids are ordered by how often targets use them."""
        starts = [start_token(style) for style in styles]
        starts += [start_token(f"spare-{i}") for i in range(NUM_SPARE_STARTS)]
        return cls(learn(sources, targets, [PAD, EOS, MASK, *starts], vocab_size))

    def to_json(self) -> str:
        """What `save` writes."""
        return str(self._backend.to_str(pretty=True))

    def save(self, path: Path) -> None:
        """Writes a `tokenizer.json` that `load` reads."""
        path.write_text(self.to_json(), encoding="utf-8")

    @property
    def vocab_size(self) -> int:
        """V, the special tokens among them."""
        return int(self._backend.get_vocab_size())

    @property
    def styles(self) -> list[str]:
        """The styles that have a start token, spare ones left out."""
        tokens = (token_of(self._backend, i) for i in range(MASK_ID + 1, self.vocab_size))
        named = [token[7:-1] for token in tokens if token.startswith("<start:")]
        return [style for style in named if not style.startswith("spare-")]

    def start_id(self, style: str) -> int:
        """The id of the style's start token.

        Raises:
            KeyError: the tokenizer was not trained with this style.
        """
        token_id = self._backend.token_to_id(start_token(style))
        if token_id is None:
            raise KeyError(f"no start token for style {style!r}; there are {self.styles}")
        return int(token_id)

    def add_style(self, style: str) -> Tokenizer:
        """The same tokenizer, a spare start token given to a new style.

        Raises:
            KeyError: all spare start tokens are taken.
        """
        tokens = [token_of(self._backend, i) for i in range(self.vocab_size)]
        spare = next((t for t in tokens if t.startswith(start_token("spare-")[:-1])), None)
        if spare is None:
            raise KeyError(f"no start token is left for style {style!r}; there are {self.styles}")
        renamed = self._backend.to_str().replace(json.dumps(spare), json.dumps(start_token(style)))
        return Tokenizer(tokenizers.Tokenizer.from_str(renamed))

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes, perhaps part of a character, that a token stands for."""
        return self._bytes[token_id]

    def encode(
        self, text: str, max_tokens: int | None = None, *, whole_words: bool = True
    ) -> EncodedText:
        """Ids and spans of `text`, cut to its first `max_tokens` (`<eos>` counted).

        With `whole_words` the cut moves to the space before a word that it would split.
        """
        encoding = self._backend.encode(text, add_special_tokens=False)
        total = len(encoding.ids) + 1
        kept = total - 1 if max_tokens is None else min(total - 1, max_tokens - 1)
        if whole_words:
            kept = before_cut_word(text, encoding.offsets, kept)
        spans = [_trimmed(text, span) for span in encoding.offsets[:kept]]
        return EncodedText(
            ids=[*encoding.ids[:kept], EOS_ID],
            spans=spans,
            total_tokens=total,
            used_end=spans[-1][1] if spans else 0,
            truncated=kept < total - 1,
        )

    def encode_ids(
        self,
        texts: Sequence[str],
        merge_dropout: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> list[list[int]]:
        """Ids alone, without `<eos>`, of many texts at once.

        Args:
            texts: What to encode.
            merge_dropout: The share of BPE merges left out at random, for subword regularisation.
            rng: Where that randomness comes from; by default it is the same in every call.
        """
        if not merge_dropout:
            encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
            return [encoding.ids for encoding in encodings]
        dropout, rng = self._merge_dropout(merge_dropout), rng or np.random.default_rng(0)
        return [dropout.encode(self._words(text), rng) for text in texts]

    def _words(self, text: str) -> list[str]:
        """What the merges are applied to, in the alphabet of bytes."""
        normalized = self._backend.normalizer.normalize_str(text)
        return [word for word, _ in self._backend.pre_tokenizer.pre_tokenize_str(normalized)]

    def _merge_dropout(self, rate: float) -> MergeDropout:
        if rate not in self._dropouts:
            merges = {pair: rank for rank, pair in enumerate(merges_of(self._backend))}
            vocab = self._backend.get_vocab(with_added_tokens=False)
            self._dropouts[rate] = MergeDropout(merges, vocab, rate)
        return self._dropouts[rate]

    def decode(self, ids: Sequence[int]) -> DecodedSummary:
        """The stripped text of `ids` and each id's span in it.

        Tokens of one character share its span; a run of bytes that is not UTF-8 becomes one
        U+FFFD shared by its tokens.
        """
        pieces = [self._bytes[token_id] for token_id in ids]
        text, byte_spans = decode_utf8(b"".join(pieces))
        lead = len(text) - len(text.lstrip())
        stripped = text.strip()
        spans, position = [], 0
        for piece in pieces:
            covered = byte_spans[position : position + len(piece)]
            position += len(piece)
            start, end = (covered[0][0], covered[-1][1]) if covered else (lead, lead)
            moved = (_clip(start - lead, len(stripped)), _clip(end - lead, len(stripped)))
            spans.append(_trimmed(stripped, moved))
        return DecodedSummary(stripped, spans)


def before_cut_word(text: str, spans: Sequence[Span], kept: int) -> int:
    """How many tokens to keep, so that no word is cut; all, where a word is very long.

    Args:
        text: What the tokens are of.
        spans: Of all tokens, with the space before a word or without.
        kept: As many as there is room for.
    """
    for fewer in range(kept, max(0, kept - _LONGEST_CUT_WORD), -1):
        if fewer == len(spans):
            return fewer
        start = spans[fewer][0]
        if text[start].isspace() or text[max(start - 1, 0)].isspace():
            return fewer
    return kept


def _is_special(token: str) -> bool:
    return token in (PAD, EOS, MASK) or token.startswith("<start:")


def _trimmed(text: str, span: Span) -> Span:
    """The span without leading whitespace, unless it is nothing else."""
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    return (start, end) if start < end else span


def _clip(position: int, length: int) -> int:
    return min(max(position, 0), length)
