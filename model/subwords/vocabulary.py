"""How the merges and the ids of byte-level BPE are learnt, and how they are read back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers


def learn(
    sources: Iterable[str], targets: Sequence[str], special_tokens: Sequence[str], vocab_size: int
) -> tokenizers.Tokenizer:
    """Learns merges from both sides; ids are ordered by how often targets use them.

    Special tokens come first, in the order in which they are given.
    """
    backend = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*special_tokens],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(chain(sources, targets), trainer)
    return _ordered_by_use(backend, targets, num_special=len(special_tokens))


def token_of(backend: tokenizers.Tokenizer, token_id: int) -> str:
    """The token of an id of the vocabulary."""
    return cast(str, backend.id_to_token(token_id))  # None only beyond the vocabulary


def merges_of(backend: tokenizers.Tokenizer) -> list[tuple[str, str]]:
    """Pairs of tokens that become one, the first learnt first."""
    return [tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]]


def _untrained() -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    collapse = normalizers.Replace(tokenizers.Regex(r"\s+"), " ")
    backend.normalizer = normalizers.Sequence([normalizers.Strip(), collapse])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    return backend


def _ordered_by_use(
    backend: tokenizers.Tokenizer, targets: Sequence[str], num_special: int
) -> tokenizers.Tokenizer:
    """The same merges with ids by falling use in targets, so that a shortlist is a slice."""
    encodings = backend.encode_batch_fast(list(targets), add_special_tokens=False)
    uses = Counter(token_id for encoding in encodings for token_id in encoding.ids)
    ordinary = range(num_special, backend.get_vocab_size())
    order = [*range(num_special), *sorted(ordinary, key=lambda i: (-uses[i], i))]
    vocab = {token_of(backend, old): new for new, old in enumerate(order)}
    merges = merges_of(backend)
    ordered = _untrained()
    ordered.model = models.BPE(vocab=vocab, merges=merges)
    ordered.add_special_tokens([token_of(backend, i) for i in range(num_special)])
    return ordered
