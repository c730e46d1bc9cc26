"""Steps of one network on one accelerator, ended by the clock or by their number."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from model.accelerated.batches import PLAIN, DeviceCorpus, RowStream, make_batch
from model.accelerated.objective import Opinions, opinions_of, values_of
from model.accelerated.recipe import Recipe, Shape
from model.summarizer import Summarizer
from model.training.optimization import make_optimizer
from model.training.progress import report

Array = Any


class _State(NamedTuple):
    weights: list[Array]
    average: list[Array]
    others: list[Array]
    slots: list[Array]  # of the optimizer


class _Now(NamedTuple):
    rows: Array  # int32 (B,)
    key: Array
    gap_share: Array
    decay: Array


class Trainer:
    """A network, its optimizer and its average, on the accelerator."""

    def __init__(self, model: Summarizer, recipe: Recipe, corpus: DeviceCorpus) -> None:
        self.model, self.corpus = model, corpus
        self.optimizer = make_optimizer(recipe.optimizer, recipe.learning_rate)
        self.optimizer.build(model.trainable_variables)
        self.state = _State(
            weights=values_of(model.trainable_variables),
            average=values_of(model.trainable_variables),
            others=values_of(model.non_trainable_variables),
            slots=values_of(self.optimizer.variables),
        )
        paths = [variable.path for variable in self.optimizer.variables]
        self._rate_slot = next(i for i, p in enumerate(paths) if p.endswith("/learning_rate"))
        self._first = self.state._replace(
            others=values_of(model.non_trainable_variables),
            slots=values_of(self.optimizer.variables),
        )
        self._compiled: dict[Shape, Any] = {}
        self._begin(recipe)

    def _begin(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._key = jax.random.key(recipe.seed)
        self.step = 0
        self.history: list[dict[str, float]] = []

    def restart(self, weights: Sequence[Array], recipe: Recipe) -> None:
        """Begins anew with given weights, and with the steps that are compiled already.

        Args:
            weights: Of all trainable variables, in their order.
            recipe: May differ from the one before in what is no part of a compiled step: rates,
                steps, seed, the average, and when and how often sentences are hidden.
        """
        self._begin(recipe)
        self.state = _State(
            weights=[jnp.array(weight, copy=True) for weight in weights],
            average=[jnp.array(weight, copy=True) for weight in weights],
            others=[jnp.array(other, copy=True) for other in self._first.others],
            slots=[jnp.array(slot, copy=True) for slot in self._first.slots],
        )

    def run(
        self,
        short_rows: RowStream,
        long_rows: RowStream | None = None,
        opinions: Opinions | None = None,
        validate: Callable[[Trainer], dict[str, float]] | None = None,
        validation_seconds: float = 60.0,
        validation_steps: int | None = None,
    ) -> None:
        """Trains until the time or the steps are used up; validates by the clock or by steps."""
        began = validated = reported = time.monotonic()
        losses: list[dict[str, Array]] = []
        while (done := self._progress(began)) < 1.0:
            long = self.recipe.long if long_rows and self._is_long() else None
            shape, rows = (
                (long, long_rows) if long and long_rows else (self.recipe.short, short_rows)
            )
            losses.append(self._advance(shape, self._now(rows.take(shape.size), done), opinions))
            self.step += 1
            if (len(losses) > 8 and time.monotonic() - reported > 5.0) or len(losses) >= 64:
                reported = self._report(losses, began, done)
                losses = []
            elif len(losses) % 4 == 0:
                jax.block_until_ready(losses[-3]["loss"])  # the clock must not run ahead
            is_due = (
                time.monotonic() - validated > validation_seconds
                if validation_steps is None
                else self.step % validation_steps == 0
            )
            if validate and is_due:
                self._note({"step": self.step} | validate(self))
                validated = time.monotonic()
        jax.block_until_ready(self.state.weights)
        if validate:
            self._note({"step": self.step} | validate(self))

    def _is_long(self) -> bool:
        long = self.recipe.long
        return long is not None and self.step % long.every == 0

    def _now(self, rows: Any, done: float) -> _Now:
        """What a step is given beside corpus and weights, when a share `done` is behind it."""
        recipe, step = self.recipe, self.step
        self.state.slots[self._rate_slot] = jnp.float32(self._rate(done))
        return _Now(
            rows=jnp.asarray(rows),
            key=jax.random.fold_in(self._key, step),
            gap_share=jnp.float32(recipe.gap_share if done < recipe.gap_until else 0.0),
            decay=jnp.float32(min(recipe.ema_decay, (1 + step) / (10 + step))),
        )

    def _progress(self, began: float) -> float:
        if self.recipe.steps is not None:
            return self.step / self.recipe.steps
        return (time.monotonic() - began) / self.recipe.seconds

    def _rate(self, done: float) -> float:
        recipe = self.recipe
        rise = (self.step + 1) / max(recipe.warmup_steps, 1)
        fall = max((1.0 - done) / max(recipe.decay_share, 1e-6), 0.02)
        return recipe.learning_rate * min(rise, fall, 1.0)

    def _report(self, losses: Sequence[dict[str, Array]], began: float, done: float) -> float:
        means = {
            name: float(np.mean([float(found[name]) for found in losses])) for name in losses[0]
        }
        if not np.isfinite(means["loss"]):
            raise FloatingPointError(f"the loss at step {self.step} is not finite")
        elapsed = time.monotonic() - began
        self._note(
            {"step": self.step, "seconds": round(elapsed, 1), "done": round(done, 3), **means}
        )
        return time.monotonic()

    def _note(self, row: dict[str, float]) -> None:
        self.history.append(row)
        report(" ".join(f"{k}={v:.4g}" if v != int(v) else f"{k}={int(v)}" for k, v in row.items()))

    def _advance(self, shape: Shape, now: _Now, opinions: Opinions | None) -> dict[str, Array]:
        compiled = self._compiled.get(shape)
        if compiled is None:
            compiled = self.lowered(shape, opinions).compile()
            self._compiled[shape] = compiled
        self.state, found = compiled(self.state, self.corpus, now, opinions)
        return dict(found)

    def lowered(self, shape: Shape, opinions: Opinions | None) -> Any:
        """A step on batches of one shape, traced and not yet compiled."""
        step = jax.jit(partial(self._step, shape=shape), donate_argnums=(0,))
        now = _Now(
            jnp.zeros(shape.size, jnp.int32), jax.random.key(0), jnp.float32(0), jnp.float32(0)
        )
        return step.lower(self.state, self.corpus, now, opinions)

    def compile(self, opinions: Opinions | None) -> None:
        """Compiles the steps of all shapes side by side, so that the clock begins with training.

        Args:
            opinions: As `run` will get them; their shapes are enough (jax.ShapeDtypeStruct).
        """
        shapes = [shape for shape in (self.recipe.short, self.recipe.long) if shape]
        traced = [self.lowered(shape, opinions) for shape in shapes]
        with ThreadPoolExecutor() as pool:
            compiled = pool.map(lambda one: one.compile(), traced)
        self._compiled |= dict(zip(shapes, compiled, strict=True))

    def _step(
        self,
        state: _State,
        corpus: DeviceCorpus,
        now: _Now,
        opinions: Opinions | None,
        *,
        shape: Shape,
    ) -> tuple[_State, dict[str, Array]]:
        recipe = self.recipe
        batch = make_batch(
            corpus,
            now.rows,
            now.key,
            recipe.mixture,
            shape.source_tokens,
            recipe.summary_tokens,
            now.gap_share if recipe.gap_until else None,
        )
        heard = Opinions(*(part[now.rows] for part in opinions)) if opinions else None

        def loss_of(weights: list[Array]) -> Any:
            mapping = self._mapping(weights, state.others)
            with keras.StatelessScope(state_mapping=mapping) as scope:
                losses = recipe.objective.losses(self.model, batch, heard, training=True)
            kept = [scope.get_current_value(v) for v in self.model.non_trainable_variables]
            return losses["loss"], (losses, kept)

        differentiate = jax.value_and_grad(loss_of, has_aux=True)
        (_, (losses, others)), gradients = differentiate(state.weights)
        weights, slots = self.optimizer.stateless_apply(state.slots, gradients, state.weights)
        pairs = zip(state.average, weights, strict=True)
        average = [held + (1.0 - now.decay) * (weight - held) for held, weight in pairs]
        return _State(weights, average, others, slots), losses

    def _mapping(self, weights: Sequence[Array], others: Sequence[Array]) -> list[Any]:
        trained = zip(self.model.trainable_variables, weights, strict=True)
        fixed = zip(self.model.non_trainable_variables, others, strict=True)
        return [*trained, *fixed]

    def applied(self, function: Callable[..., Any], shape: Shape, steps: int) -> Callable[..., Any]:
        """`function(model, batch)` with the averaged weights, on texts as they are, compiled.

        What is returned takes a corpus and rows, as many as the shape has.
        """

        def apply(
            weights: list[Array], others: list[Array], corpus: DeviceCorpus, rows: Array
        ) -> Any:
            batch = make_batch(corpus, rows, jax.random.key(0), PLAIN, shape.source_tokens, steps)
            with keras.StatelessScope(state_mapping=self._mapping(weights, others)):
                return function(self.model, batch)

        compiled = jax.jit(apply)
        return lambda corpus, rows: compiled(
            self.state.average, self.state.others, corpus, jnp.asarray(rows, jnp.int32)
        )

    def opinions(self, count: int, shape: Shape, num_examples: int) -> Opinions:
        """What the averaged network thinks of every example, as it stands in the corpus."""
        recipe = self.recipe

        judge = self.applied(
            lambda model, batch: opinions_of(model, batch, count), shape, recipe.summary_tokens
        )
        ids = jnp.zeros((num_examples, recipe.summary_tokens, count), jnp.int16)
        probs = jnp.zeros((num_examples, recipe.summary_tokens, count), jnp.float16)
        put = jax.jit(lambda held, rows, new: held.at[rows].set(new), donate_argnums=(0,))
        for first in range(0, num_examples, shape.size):
            last = min(first + shape.size, num_examples)
            rows = np.minimum(np.arange(first, first + shape.size), last - 1)
            found = judge(self.corpus, rows)
            ids, probs = put(ids, rows, found.ids), put(probs, rows, found.probs)
        return Opinions(ids, probs)

    def take_average(self) -> None:
        """The network computes with the averaged weights from now on."""
        for variable, value in zip(self.model.trainable_variables, self.state.average, strict=True):
            variable.assign(value)
