"""What training minimises, and by which steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from model.attention import Tensor


def negative_log_likelihood(weights: Tensor, log_probs: Tensor) -> Tensor:
    """The batch's mean over real tokens, in nats, given as (B,) for Keras to average.

    Args:
        weights: float (B, T), 1 for a real token and 0 for padding.
        log_probs: (B, T), of the target tokens.
    """
    weights = ops.cast(weights, "float32")
    batch = ops.cast(ops.shape(weights)[0], "float32")
    return -ops.sum(log_probs * weights, axis=1) * batch / ops.maximum(ops.sum(weights), 1.0)


class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras is untyped
    """Rises linearly, stays, and falls linearly to a twentieth over the last steps.

    Unlike a cosine, the stable part does not depend on where the end is (Hu et al. 2024), so a
    job can be given more steps, or told to end, after it began.
    """

    def __init__(self, peak: float, steps: int, warmup_steps: int, decay_steps: int) -> None:
        self.peak, self.steps = peak, steps
        self.warmup_steps, self.decay_steps = warmup_steps, decay_steps

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step."""
        step = ops.cast(step, "float32")
        rise = (step + 1.0) / max(self.warmup_steps, 1)
        fall = (self.steps - step) / max(self.decay_steps, 1)
        return self.peak * ops.clip(ops.minimum(rise, fall), 0.05 if self.decay_steps else 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Keras asks for it when it saves an optimizer."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
        }


def make_optimizer(name: str, schedule: WarmupStableDecay | float) -> keras.optimizers.Optimizer:
    """`adamw` (Loshchilov & Hutter 2019) or `muon` (Jordan 2024), gradients clipped to norm 1.

    Muon turns only matrices; its inner AdamW takes the embedding, the gate and the vectors.

    Raises:
        ValueError: another name.
    """
    if name == "adamw":
        return keras.optimizers.AdamW(schedule, beta_2=0.98, weight_decay=0.01, global_clipnorm=1.0)
    if name == "muon":
        return keras.optimizers.Muon(
            schedule,
            adam_beta_2=0.98,
            weight_decay=0.01,
            global_clipnorm=1.0,
            exclude_layers=["copy_gate"],
        )
    raise ValueError(f"optimizer must be 'adamw' or 'muon', got {name!r}")
