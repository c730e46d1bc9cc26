"""The network itself as the `Scorer` of `model.explanation`, without a SavedModel.

It runs on any backend of Keras. On JAX it is compiled, once for each padded shape, so that a study
that takes hours on two cores takes minutes on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.artifact import SCORE_INPUTS
from model.encoder import SummarizerConfig
from model.explanation.sanity import ScorerOf
from model.explanation.scorer import Floats, Ids, Mask, Scores
from model.inference import Inference
from model.scoring.exported_scorer import CASCADE, shuffled
from model.steering.filters import SearchOptions
from model.summarizer import Score, Summarizer
from model.tokenizer import PAD_ID, Tokenizer
from model.training.checkpoint import read_weights

BATCH = 64
"""Scores in one call; where it is compiled always, since another number is another shape."""

LENGTHS = (128, 256, 384, 512, 768, 1024)
"""Sources are padded to the next of these."""

STEPS = (32, 64)
"""Summaries too."""

BLOCK_ARRAYS = 8
"""Of the network's weights, in each block of the encoder."""

_OTHER_ARRAYS = 26
"""Embedding, norms, decoder and sentence head."""


class Network:
    """One set of weights, and scores by it in any style."""

    def __init__(self, model: Summarizer, tokenizer: Tokenizer, styles: Sequence[str]) -> None:
        self.model, self.tokenizer, self.styles = model, tokenizer, tuple(styles)
        self._inference = Inference(model, tokenizer, styles)
        model.lstm.use_cudnn = False  # it would round to fewer digits
        self._score = self._compiled(self._inference.score)
        self._saliency = self._compiled(self._gradient_norms)
        self._lock = Lock()  # two threads would compile the same shape twice

    @property
    def weights(self) -> dict[str, Any]:
        """The variables that hold numbers, by their path; a seed is none."""
        return {v.path: v for v in self.model.variables if str(v.dtype).startswith("float")}

    def assign(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Sets all weights, in the order of `weights`.

        Raises:
            ValueError: the arrays are those of another network.
        """
        found, wanted = [a.shape for a in arrays], [tuple(v.shape) for v in self.weights.values()]
        if found != wanted:
            raise ValueError(f"weights are of another network: {found} instead of {wanted}")
        for variable, array in zip(self.weights.values(), arrays, strict=True):
            variable.assign(array)

    def scorer(self, style: str) -> NetworkScorer:
        """The model in one style."""
        return NetworkScorer(self, self.styles.index(style))

    def call(self, source_ids: Ids, keep: Mask, style_id: int, summary_ids: Ids) -> Score:
        """The numbers of at most `BATCH` masks, padded, where the backend has them."""
        length, steps = _next(LENGTHS, len(source_ids)), _next(STEPS, len(summary_ids))
        batch = BATCH if keras.backend.backend() == "jax" else len(keep)
        masks = np.ones((batch, length), np.bool_)
        masks[: len(keep), : keep.shape[1]] = keep
        with self._lock, precise():
            found: Score = self._score(
                _repeated(source_ids, length, batch),
                masks,
                np.full(batch, style_id, np.int32),
                _repeated(summary_ids, steps, batch),
            )
        return found

    def saliency(self, source_ids: Ids, style_id: int, summary_ids: Ids, target: Floats) -> Floats:
        """The gradient norms (S,) of one whole text."""
        length, steps = _next(LENGTHS, len(source_ids)), _next(STEPS, len(summary_ids))
        with self._lock, precise():
            found = self._saliency(
                _padded(source_ids, length)[None],
                np.ones((1, length), np.bool_),
                np.array([style_id], np.int32),
                _padded(summary_ids, steps)[None],
                _padded(target.astype(np.float32), steps)[None],
            )
        return _numbers(found)[0, : len(source_ids)]

    def summary_ids(
        self, sources: Sequence[Sequence[int]], styles: Sequence[str]
    ) -> list[list[int]]:
        """The summaries that the search of an artifact's defaults writes.

        It isn't compiled: on JAX each call is traced anew, and few large batches take the least
        time.
        """
        found: list[list[int]] = [[]] * len(sources)
        for chunk in _alike([len(source) for source in sources]):
            length = _next(LENGTHS, max(len(sources[i]) for i in chunk))
            ids = np.stack([_padded(np.array(sources[i], np.int32), length) for i in chunk])
            with precise():
                written = self._inference.summarize(
                    ids,
                    ids != PAD_ID,
                    np.array([self.styles.index(styles[i]) for i in chunk], np.int32),
                    _options(len(chunk)),
                    np.zeros_like(ids),
                ).summary_ids
            for i, row in zip(chunk, keras.ops.convert_to_numpy(written), strict=True):
                found[i] = [int(token_id) for token_id in row if token_id != PAD_ID]
        return found

    def _gradient_norms(self, *arrays: Any) -> Any:
        """The inputs of `score` and target weights (B, T) -> (B, S), 0 where there is padding."""
        *given, target = arrays
        inputs = dict(zip(SCORE_INPUTS, given, strict=True))
        if keras.backend.backend() != "jax":
            from model.exporting.signatures import saliency

            return saliency(self._inference, keras.ops.convert_to_tensor(target), **inputs)

        def total(embedded: Any) -> Any:
            numbers = self._inference.score(**inputs, embedded=embedded)
            return keras.ops.sum(numbers.log_probs * target)

        embedded = self.model.embed(inputs["source_ids"])  # (B, S, D)
        norms = keras.ops.norm(import_module("jax").grad(total)(embedded), axis=-1)
        return keras.ops.where(inputs["source_ids"] > 0, norms, 0.0)

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of the network's weights as they are when it is called."""
        if keras.backend.backend() != "jax":
            return function
        variables = self.model.variables

        def pure(values: Sequence[Any], *inputs: Any) -> Any:
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return function(*inputs)

        jitted = import_module("jax").jit(pure)
        return lambda *inputs: jitted([variable.value for variable in variables], *inputs)


@dataclass(frozen=True)
class NetworkScorer:
    """Scores in one style."""

    network: Network
    style_id: int

    def score(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Scores:
        """As `Scorer`, in batches of `BATCH`."""
        steps, length = len(summary_ids), len(source_ids)
        parts = []
        for rows in _batches(keep):
            found = self.network.call(source_ids, rows, self.style_id, summary_ids)
            arrays = [_numbers(part)[: len(rows), :steps] for part in found]
            parts.append(arrays)
        scores = Scores(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        return scores._replace(attention_weights=scores.attention_weights[:, :, :length])

    def log_probs(self, source_ids: Ids, keep: Mask, summary_ids: Ids) -> Floats:
        """As `BriefScorer`: the attention, nearly all of the numbers, stays where it is."""
        parts = [
            self.network.call(source_ids, rows, self.style_id, summary_ids).log_probs
            for rows in _batches(keep)
        ]
        found = [_numbers(part) for part in parts]
        return np.concatenate(found)[: len(keep), : len(summary_ids)]

    def saliency(self, source_ids: Ids, summary_ids: Ids, target: Floats) -> Floats:
        """As `GradientScorer`."""
        return self.network.saliency(source_ids, self.style_id, summary_ids, target)


def read_network(
    weights: Path, tokenizer: Tokenizer, config: Mapping[str, Any] | None = None
) -> Network:
    """The network of a checkpoint's arrays `model/0`, `model/1`, ….

    Args:
        weights: The `.npz` file.
        tokenizer: The one that the network was trained with.
        config: Fields of `SummarizerConfig`; those that the arrays show need not be given.

    Raises:
        CheckpointError: the file is missing or damaged, or holds no network.
        ValueError: the arrays are those of another network.
    """
    arrays = read_weights(weights)
    vocab_size, hidden_dim = arrays[0].shape
    sizes = {
        "vocab_size": vocab_size,
        "hidden_dim": hidden_dim,
        "ffn_dim": 4 * hidden_dim,
        "num_layers": (len(arrays) - _OTHER_ARRAYS) // BLOCK_ARRAYS,
        "dropout": 0.0,
        **(config or {}),
    }
    network = Network(Summarizer(SummarizerConfig(**sizes)), tokenizer, tokenizer.styles)
    network.assign(arrays)
    return network


def precise() -> AbstractContextManager[Any]:
    """On a GPU, JAX would multiply float32 with the digits of bfloat16 or little more."""
    if keras.backend.backend() != "jax":
        return nullcontext()
    found: AbstractContextManager[Any] = import_module("jax").default_matmul_precision("highest")
    return found


def randomised_network(network: Network, seed: int = 0) -> Iterator[tuple[str, ScorerOf]]:
    """As `exported_scorer.randomised`: the network is spoilt until all stages were asked for."""
    for stage in shuffled(network.weights, CASCADE, seed):
        yield stage, network.scorer


def _options(batch: int) -> SearchOptions:
    """The defaults of an export."""
    limit, least = np.full(batch, 40, np.int32), np.full(batch, 3, np.int32)
    return SearchOptions(limit, least, np.full(batch, 1.4, np.float32), 4, num_candidates=1)


def _next(sizes: Sequence[int], size: int) -> int:
    """The least of the sizes that is enough; a size beyond all stays as it is."""
    return next((enough for enough in sizes if enough >= size), size)


def _padded(values: NDArray[Any], length: int) -> NDArray[Any]:
    return np.pad(values, (0, length - len(values)))


def _repeated(ids: Ids, length: int, batch: int) -> Ids:
    return np.tile(_padded(ids, length), (batch, 1))


def _batches(keep: Mask) -> list[Mask]:
    return [keep[first : first + BATCH] for first in range(0, len(keep), BATCH)]


def _numbers(part: Any) -> Floats:
    found: Floats = np.asarray(keras.ops.convert_to_numpy(part), np.float64)
    return found


def _alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Texts in batches whose sources are padded to the same length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    for size in sorted({_next(LENGTHS, length) for length in lengths}):
        same = [i for i in order if _next(LENGTHS, lengths[i]) == size]
        for first in range(0, len(same), BATCH):
            yield same[first : first + BATCH]
