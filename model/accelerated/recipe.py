"""How one network is trained on an accelerator."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.accelerated.batches import Mixture
from model.accelerated.objective import Objective


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One kind of batch: `size` examples of `source_tokens`, every `every`-th step."""

    source_tokens: int
    size: int
    every: int = 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one network is trained.

    The learning rate rises over `warmup_steps`, stays, and falls to a fiftieth over the last
    `decay_share` of `seconds`, or of `steps` where those are given: these can be repeated, but
    nobody knows how long they take. `gap_until` is the share of the time in which sentences are
    hidden and written again.
    """

    seconds: float
    steps: int | None = None
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_share: float = 0.5
    optimizer: str = "muon"
    ema_decay: float = 0.998
    summary_tokens: int = 48
    short: Shape = Shape(source_tokens=256, size=1024)
    long: Shape | None = None
    gap_until: float = 0.0
    gap_share: float = 0.5
    mixture: Mixture = field(default_factory=Mixture)
    objective: Objective = field(default_factory=Objective)
    seed: int = 0
