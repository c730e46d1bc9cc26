"""Networks that lack a part, or have another in its place: what is each part worth?"""

from __future__ import annotations

from typing import Any

from keras import ops

from model.summarizer import Prediction, Source, Summarizer

Tensor = Any

POSITION_BASE = 10_000.0


class WithoutCopy(Summarizer):
    """Generates every token: the gate is shut."""

    def _read(
        self, source: Source, hidden: Tensor, columns: Tensor, training: bool = False
    ) -> Prediction:
        prediction = super()._read(source, hidden, columns, training)
        return prediction._replace(copy_gate=ops.zeros_like(prediction.copy_gate))


class WithoutDecoderFfn(Summarizer):
    """The decoder's feed-forward part stays what it is at first: nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.decoder_ffn.trainable = False


class AddedPositions(Summarizer):
    """Sinusoids are added to the embeddings (Vaswani et al. 2017) in place of rotation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for block in self.blocks:
            block.attention.use_positions = False

    def embed(self, source_ids: Tensor) -> Tensor:
        """Embeddings (B, S, D) and where they stand."""
        dim = self.config.hidden_dim
        places = ops.cast(ops.arange(ops.shape(source_ids)[1]), "float32")[:, None]
        rates = ops.power(1.0 / POSITION_BASE, ops.arange(dim // 2, dtype="float32") / (dim // 2))
        angles = places * rates[None, :]
        # As large as the embeddings are at first.
        waves = 0.05 * ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=1)
        return super().embed(source_ids) + waves[None]


VARIANTS: dict[str, type[Summarizer]] = {
    "none": Summarizer,
    "copy": WithoutCopy,
    "decoder-ffn": WithoutDecoderFfn,
    "rotation": AddedPositions,
}
"""What `--without` takes away."""
