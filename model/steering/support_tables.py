"""What the name rule knows of every token of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from model.attention import Tensor
from model.steering.choices import gather
from model.steering.watched_words import WatchedWords, watched_words
from model.subwords.byte_level import REPLACEMENT
from model.tokenizer import EOS_ID

_GLUE = ".,'\u2019"
_MARKS = range(0x300, 0x370)


class Role(IntEnum):
    """What a token does to a word that it stands behind."""

    GOES_ON = 0  # more of it; hidden and unknown tokens count as such
    MAY_GO_ON = 1  # "." "," "'": more of it if a letter or digit follows
    ENDS = 2


class SupportTables(NamedTuple):
    """(V,) each: what the rule knows of every token.

    Attributes:
        named: Has a capital, a digit, an accent of its own, or part of a character.
        spaced: Begins with a space, and so begins a word.
        in_word: Ends in a letter or digit.
        role: What it does to the word before it.
        lower: The id of its spelling without a first capital, or its own.
        small: Begins in lower case.
        single: Has one character behind the space.
        apostrophe, letter_s, possessive: Reads "'", "s", or "'s".
        words: Number words and words of guilt.
    """

    named: NDArray[np.bool_]
    spaced: NDArray[np.bool_]
    in_word: NDArray[np.bool_]
    role: NDArray[np.int32]
    lower: NDArray[np.int32]
    small: NDArray[np.bool_]
    single: NDArray[np.bool_]
    apostrophe: NDArray[np.bool_]
    letter_s: NDArray[np.bool_]
    possessive: NDArray[np.bool_]
    words: WatchedWords

    def node_after(self, node: Tensor, token_ids: Tensor) -> Tensor:
        """The node of `WatchedWords` after tokens of the same shape."""
        piece = gather(self.words.piece, token_ids)
        after = ops.reshape(self.words.after, (-1,))
        return gather(after, node * self.words.after.shape[1] + piece)


def support_tables(token_bytes: Sequence[bytes]) -> SupportTables:
    """Derives the tables from the bytes of every token; special tokens have none."""
    texts = [piece.decode(errors="replace") for piece in token_bytes]
    ids = {text: i for i, text in enumerate(texts) if text and REPLACEMENT not in text}
    bare = [text.strip() for text in texts]
    role = [_role(text) for text in texts]
    role[EOS_ID] = Role.ENDS
    return SupportTables(
        named=np.array([any(map(_is_marked, text)) for text in texts]),
        spaced=np.array([text[:1].isspace() for text in texts]),
        in_word=np.array([_in_word(text[-1:]) for text in texts]),
        role=np.array(role, np.int32),
        lower=np.array([ids.get(_uncapitalised(t), i) for i, t in enumerate(texts)], np.int32),
        small=np.array([text[:1].islower() for text in bare]),
        single=np.array([len(text) == 1 for text in bare]),
        apostrophe=np.array([text in ("'", "\u2019") for text in texts]),
        letter_s=np.array([text == "s" for text in texts]),
        possessive=np.array([text in ("'s", "\u2019s") for text in texts]),
        words=watched_words(texts),
    )


def _role(text: str) -> Role:
    rest = text.lstrip(_GLUE)
    if not rest:
        return Role.MAY_GO_ON if text else Role.GOES_ON
    return Role.GOES_ON if _in_word(rest[0]) else Role.ENDS


def _in_word(character: str) -> bool:
    return bool(character) and (
        character.isalnum() or character == REPLACEMENT or ord(character) in _MARKS
    )


def _is_marked(character: str) -> bool:
    """Whether a word with it must be copied; part of a character is perhaps of a capital."""
    unclear = character == REPLACEMENT or ord(character) in _MARKS
    return unclear or character.isupper() or character.isdigit()


def _uncapitalised(text: str) -> str:
    """A word without its first capital; "US" is no spelling of "us" and stays."""
    bare = text.strip()
    return text.lower() if bare[1:] == bare[1:].lower() else text
