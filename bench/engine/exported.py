"""The artifact's own graph: `summarize` over arrays, without tokenizer and service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from model import artifact
from model.artifact import Manifest
from service.inference.batches import option_arrays, sentence_array, source_arrays
from service.precision import with_precision
from service.predictor import SummarizeOptions
from service.settings import Settings


class Exported:
    """One artifact in this process, in the precision that the service would choose here."""

    def __init__(self, directory: Path) -> None:
        self.manifest: Manifest = artifact.read_manifest(directory)
        self._loaded = tf.saved_model.load(str(directory / artifact.SAVED_MODEL))
        self.precision: str = with_precision(Settings(device="cpu")).precision
        tell = getattr(self._loaded, artifact.COMPUTE_IN[self.precision], None)
        if tell is None:  # an older graph
            self.precision = "float32"
        else:
            tell()
        self._summarize = self._loaded.signatures[artifact.SUMMARIZE]
        self._inputs = self._summarize.structured_input_signature[1]

    def __call__(self, sources: Sequence[Sequence[int]], num_beams: int, steps: int) -> None:
        """Writes as many tokens as `steps` says for each source, with all that is told of them."""
        length = max(map(len, sources))
        options = replace(self._options(), num_beams=num_beams)
        options = replace(options, min_new_tokens=steps, max_new_tokens=steps)
        arrays = {
            **source_arrays(sources, self.manifest.styles.index(options.style), length),
            **option_arrays(options, len(sources)),
            "sentence_ids": sentence_array([[]] * len(sources), length),
        }
        tensors = {name: tf.convert_to_tensor(arrays[name]) for name in self._inputs}
        outputs = self._summarize(**tensors)
        written = outputs["summary_ids"].numpy()
        assert written.shape == (len(sources), steps), written.shape

    def _options(self) -> SummarizeOptions:
        return SummarizeOptions(
            style=self.manifest.default_style,
            num_beams=self.manifest.default_num_beams,
            max_new_tokens=self.manifest.default_max_new_tokens,
            min_new_tokens=self.manifest.default_min_new_tokens,
            length_penalty=self.manifest.default_length_penalty,
            truncation="lead",
            support="strict",
            key_sentences=1,
            candidates=1,
        )
