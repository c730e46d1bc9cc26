"""Models whose evidence is known, so that methods and metrics can be held to the truth.

Each reads every summary token from the first source position that has its id, and from nowhere
else. A token that the source lacks is generated from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.explanation.scorer import Floats, Ids, Mask, Scores


def evidence(source_ids: Ids, summary_ids: Ids) -> NDArray[np.int64]:
    """(T,): the position that each summary token is read from, -1 where there is none."""
    same = summary_ids[:, None] == source_ids[None, :]
    return np.where(same.any(axis=1), same.argmax(axis=1), -1)


@dataclass(frozen=True)
class PlantedCopier:
    """Copies, and looks where it copies: a share `peak` of its attention is on the evidence.

    A token whose evidence is kept has the probability `copied + generated` below; hidden, it has
    `generated`. That holds exactly for texts whose ids all differ.
    """

    peak: float = 0.8
    gate: float = 0.9
    generator: float = 0.01  # the generator's probability of any token, before the gate

    @property
    def copied(self) -> float:
        """What a token loses with its evidence."""
        return self.gate * self.peak

    @property
    def generated(self) -> float:
        """What is left then."""
        return (1 - self.gate) * self.generator

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`."""
        places = evidence(source_ids, summary_ids)
        attention = _peaked(keep, places, self.peak)
        same = summary_ids[:, None] == source_ids[None, :]
        copied = self.gate * (attention * (same & (places >= 0)[:, None])).sum(axis=-1)
        return _scores(attention, np.full(copied.shape, self.gate), copied, self.generated)

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """As `GradientScorer`: by how much of the evidence is there, in place of embeddings.

        A token's probability is `there * copied + generated`, and nothing else moves it.
        """
        slope = self.copied / (self.copied + self.generated)
        return _at(evidence(source_ids, summary_ids), slope * target, len(source_ids))


@dataclass(frozen=True)
class PlantedReader:
    """Generates from the evidence and looks `shift` positions further: its attention misleads."""

    shift: int = 5
    known: float = 0.7  # a token's probability with its evidence
    unknown: float = 0.001  # and without
    peak: float = 0.8

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`; the copy gate is 0."""
        places = evidence(source_ids, summary_ids)
        shown = np.where(places >= 0, (places + self.shift) % (len(source_ids) - 1), -1)
        attention = _peaked(keep, shown, self.peak)
        read = keep[:, places] & (places >= 0)
        nothing = np.zeros(read.shape)
        return _scores(attention, nothing, nothing, np.where(read, self.known, self.unknown))

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """As the copier's; the probability is `there * known + (1 - there) * unknown`."""
        slope = (self.known - self.unknown) / self.known
        return _at(evidence(source_ids, summary_ids), slope * target, len(source_ids))


def _at(places: NDArray[np.int64], slopes: Floats, length: int) -> Floats:
    """The sum (S,) of the slopes (T,) at each place."""
    found = np.zeros(length)
    np.add.at(found, places[places >= 0], slopes[places >= 0])
    return found


def _peaked(keep: Mask, places: NDArray[np.int64], peak: float) -> Floats:
    """Attention (N, T, S): `peak` on a row's place if it is kept, the rest even over the kept.

    A place that alone is kept has all of it.
    """
    at_place = np.arange(keep.shape[1])[None, :] == places[:, None]  # (T, S)
    on_place = keep[:, None, :] & at_place[None]
    others = keep[:, None, :] & ~at_place[None]
    count = others.sum(axis=-1, keepdims=True)
    on_it = np.where(count > 0, peak, 1.0) * on_place
    rest = 1.0 - on_it.sum(axis=-1, keepdims=True)
    attention: Floats = on_it + rest * others / np.maximum(count, 1)
    return attention


def _scores(attention: Floats, gate: Floats, copied: Floats, generated: Floats | float) -> Scores:
    generated = np.broadcast_to(generated, copied.shape)
    return Scores(np.log(copied + generated), attention, gate, copied, generated)
