"""The predictor over an exported signature: tokenize, call, slice. Knows no TensorFlow itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from model.tokenizer import EncodedText, Tokenizer
from service.batches import Arrays, option_arrays, padded_length, plan, source_arrays, summary_of
from service.errors import OutOfMemory, TextTooLong
from service.predictor import (
    EngineObserver,
    ModelInfo,
    NoObserver,
    SummarizeOptions,
    Summary,
)
from service.worker import InferenceThread

log = logging.getLogger(__name__)

Signature = Callable[[Arrays], Arrays]
"""Named arrays in, named arrays out."""


class SignaturePredictor:
    """Writes summaries with the `summarize` signature, in a thread of its own.

    Args:
        info: What is loaded.
        tokenizer: The one that the model was trained with.
        summarize: The signature.
        thread: Where it runs.
        max_batch_tokens: Padded source tokens times beams in one call.
        observer: Told of every call.
    """

    def __init__(
        self,
        *,
        info: ModelInfo,
        tokenizer: Tokenizer,
        summarize: Signature,
        thread: InferenceThread,
        max_batch_tokens: int,
        observer: EngineObserver | None = None,
    ) -> None:
        self._info = info
        self._tokenizer = tokenizer
        self._summarize = summarize
        self._thread = thread
        self._max_batch_tokens = max_batch_tokens
        self._observer = observer or NoObserver()

    @property
    def info(self) -> ModelInfo:
        """What is loaded."""
        return self._info

    async def summarize(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary]:
        """One summary a text; see `Predictor`."""
        summaries, waited = await self._thread.run(
            lambda: self.summarize_now(texts, options), len(texts)
        )
        return [
            replace(summary, stage_seconds={"queue": waited, **summary.stage_seconds})
            for summary in summaries
        ]

    async def close(self) -> None:
        """Finishes the work accepted."""
        await self._thread.close()

    def summarize_now(self, texts: Sequence[str], options: SummarizeOptions) -> list[Summary]:
        """The work itself, in whatever thread calls; also the warm-up before the first request."""
        began = time.perf_counter()
        sources = [self._encode(index, text, options) for index, text in enumerate(texts)]
        encoded = time.perf_counter()
        summaries: dict[int, Summary] = {}
        limit = self._info.max_source_tokens
        lengths = [padded_length(len(source.ids), limit) for source in sources]
        for planned in plan(lengths, options.num_beams, self._max_batch_tokens):
            for group, outputs in self._call_in_parts(planned, sources, options):
                for row, index in enumerate(group):
                    source = sources[index]
                    summary = summary_of(outputs, row, source, self._tokenizer, options.style)
                    summaries[index] = replace(summary, batch_texts=len(group))
        stages = {"tokenize": encoded - began, "model": time.perf_counter() - encoded}
        return [replace(summaries[index], stage_seconds=stages) for index in range(len(texts))]

    def _encode(self, index: int, text: str, options: SummarizeOptions) -> EncodedText:
        limit = self._info.max_source_tokens
        source = self._tokenizer.encode(text, max_tokens=limit)
        if source.truncated and options.truncation == "error":
            raise TextTooLong(index, source.total_tokens, limit)
        return source

    def _call_in_parts(
        self, group: list[int], sources: Sequence[EncodedText], options: SummarizeOptions
    ) -> Iterator[tuple[list[int], Arrays]]:
        """Which texts shared a call, and its arrays.

        A group for which there is no memory is halved until it fits; a text for which there is
        none by itself is given up.
        """
        try:
            outputs = self._call([sources[index].ids for index in group], options)
        except OutOfMemory:
            if len(group) == 1:
                raise
        else:
            yield group, outputs
            return
        log.warning("no memory for %d texts at once: halving", len(group))
        middle = len(group) // 2
        for half in (group[:middle], group[middle:]):
            yield from self._call_in_parts(half, sources, options)

    def _call(self, sources: Sequence[Sequence[int]], options: SummarizeOptions) -> Arrays:
        longest = max(len(ids) for ids in sources)
        length = padded_length(longest, self._info.max_source_tokens)
        style_id = self._info.styles.index(options.style)
        outputs = self._summarize(
            {**source_arrays(sources, style_id, length), **option_arrays(options, len(sources))}
        )
        tokens = sum(len(ids) for ids in sources)
        self._observer.called(len(sources), tokens, length * len(sources))
        return outputs
