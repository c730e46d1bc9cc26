"""The blocks that the network is stacked from, and its sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from model.attention import SelfAttention, Tensor


@dataclass(frozen=True, kw_only=True)
class SummarizerConfig:
    """Sizes of the network, stored beside its weights."""

    vocab_size: int
    hidden_dim: int = 256
    num_layers: int = 4
    num_heads: int = 4
    ffn_dim: int = 1024
    dropout: float = 0.1
    attention_window: int | None = 128
    num_global_tokens: int = 16

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


class FeedForward(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Two dense layers around a squared ReLU (So et al. 2021)."""

    def __init__(self, hidden_dim: int, ffn_dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.inner = keras.layers.Dense(ffn_dim, use_bias=False, dtype=policy, name="inner")
        self.outer = keras.layers.Dense(
            hidden_dim, use_bias=False, kernel_initializer="zeros", dtype=policy, name="outer"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes (D, F) and (F, D)."""
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        return self.outer(ops.square(ops.relu(self.inner(inputs))))


class EncoderBlock(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Pre-normalised self-attention and feed-forward, each added to its input."""

    def __init__(self, config: SummarizerConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.attention_norm = norm("attention_norm", policy)
        self.attention = SelfAttention(
            config.hidden_dim,
            config.num_heads,
            window=config.attention_window,
            num_global=config.num_global_tokens,
            dtype=policy,
            name="attention",
        )
        self.ffn_norm = norm("ffn_norm", policy)
        self.ffn = FeedForward(config.hidden_dim, config.ffn_dim, dtype=policy, name="ffn")
        self.dropout = keras.layers.Dropout(config.dropout, dtype=policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Builds the parts on (B, S, D)."""
        for part in (self.attention_norm, self.attention, self.ffn_norm, self.ffn):
            part.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, attention_mask: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """(B, S, D) to (B, S, D) and the attention weights (B, H, S, S), None with a window."""
        attended, attention_weights = self.attention(self.attention_norm(inputs), attention_mask)
        hidden = inputs + self.dropout(attended, training=training)
        fed = self.ffn(self.ffn_norm(hidden))
        return hidden + self.dropout(fed, training=training), attention_weights

    def head_weights(self, inputs: Tensor, padding_mask: Tensor, head: Tensor) -> Tensor:
        """The attention weights (B, S, S) of one head on (B, S, D)."""
        return self.attention.head_weights(self.attention_norm(inputs), padding_mask, head)


def norm(name: str, dtype: Any = None) -> keras.layers.Layer:
    """Root mean square normalisation (Zhang & Sennrich 2019) over the last axis."""
    return keras.layers.RMSNormalization(name=name, dtype=dtype)
