"""Documents of made-up ids, forty words of one token each, whose evidence is planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from model.explanation.document import Document
from model.tokenizer import EOS_ID

WORDS, SENTENCE = 40, 8
FIRST_ID = 10


@pytest.fixture(scope="session")
def plant() -> Callable[..., Document]:
    """A document whose summary's tokens stand at these places of the source."""

    def make(*places: int) -> Document:
        ids = np.arange(FIRST_ID, FIRST_ID + WORDS)
        words = np.arange(WORDS)
        return Document(
            source_ids=np.append(ids, EOS_ID).astype(np.int32),
            summary_ids=ids[list(places)].astype(np.int32),
            words=np.append(words, -1),
            sentences=np.append(words // SENTENCE, -1),
            overlap=np.isin(words, places),
        )

    return make


@pytest.fixture(scope="session")
def document(plant: Callable[..., Document]) -> Document:
    """Word 2 is evidence twice, word 9 once: two words, which fit into every budget."""
    return plant(2, 9, 2)
