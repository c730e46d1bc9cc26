"""Source ids in, summaries and their numbers out: `Inference.summarize`, for the graph."""

from __future__ import annotations

import tensorflow as tf

from model.attention import Tensor
from model.graph.automaton import automaton
from model.graph.choices import FlatChoices, flat_choices
from model.graph.decoder import Decoder
from model.graph.rules import Rules
from model.graph.search import Network, search
from model.graph.shapes import SENTENCES, STEPS, rounded_up, with_steps
from model.inference import Inference, Summaries
from model.steering.filters import SearchOptions
from model.steering.supporting_source import SupportingSource
from model.summarizer import Score, Source


class Summarizing:
    """Finds and says what an `Inference` does, in fewer operations."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._automaton = automaton(
            inference.support_tables, inference.utf8_after, inference.never_ids
        )

    def __call__(
        self,
        source_ids: Tensor,
        source_keep_mask: Tensor,
        style_ids: Tensor,
        options: SearchOptions,
        sentence_ids: Tensor,
    ) -> Summaries:
        """As `Inference.summarize`; all that it is given are tensors."""
        inference, model = self._inference, self._inference.model
        source = inference.encode(source_ids, source_keep_mask)
        decoder = Decoder(model, source)
        choices = flat_choices(source.ids, model.config.vocab_size, inference.num_common)
        rows = tf.repeat(tf.range(tf.shape(source_ids)[0]), options.num_beams)
        tables = inference.support_tables
        supporting = SupportingSource(tables, tf.where(source.mask, source.ids, 0))
        rules = Rules(self._automaton, tables, supporting, choices, rows)
        found = search(
            self._network(decoder, choices),
            rules,
            source.initial_state,
            inference.start_ids(style_ids),
            options,
            rows,
        )
        written = tf.shape(found.ids)[2]  # steps, often far fewer than there might have been
        missing = tf.reduce_max(options.max_new_tokens) - written
        ids = with_steps(found.ids, missing, axis=2)
        some = rounded_up(written, STEPS) - written
        numbers = decoder.score(
            with_steps(found.hidden, some, axis=1), with_steps(found.ids[:, 0], some, axis=1)
        )
        return Summaries(
            ids[:, 0],
            ids,
            found.scores,
            self.score_sentences(source, sentence_ids),
            Score(*(with_steps(part[:, :written], missing, axis=1) for part in numbers)),
        )

    def score_sentences(self, source: Source, sentence_ids: Tensor) -> Tensor:
        """As `Inference.score_sentences`, of an encoded source."""
        count = tf.reduce_max(sentence_ids)
        rounded = rounded_up(count, SENTENCES)
        return self._inference.model.score_sentences(source, sentence_ids, rounded)[:, :count]

    def _network(self, decoder: Decoder, choices: FlatChoices) -> Network:
        """A step: the decoder, and what it says of all choices."""
        tiles = self._inference.model.output_tiles(choices.num_common)  # (G / n, D, n)

        def network(
            token_ids: Tensor, state: tuple[Tensor, Tensor], slots: Tensor
        ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
            read, hidden, cell = decoder.advance(token_ids, *state)
            reading = decoder.read(read)
            products = tf.transpose(tf.matmul(reading.hidden[None], tiles), (1, 0, 2))
            logits = tf.reshape(products, (-1, choices.num_common))
            generated = (1.0 - reading.copy_gate) * tf.nn.softmax(logits)  # (N, G)
            rest = tf.zeros(tf.stack([tf.size(token_ids), choices.count - choices.num_common]))
            flat = tf.reshape(tf.concat([generated, rest], axis=1), (-1,))
            copied = reading.attention_weights * tf.reshape(reading.copy_gate, decoder.gates)
            flat = tf.tensor_scatter_nd_add(
                flat, tf.reshape(slots, (-1, 1)), tf.reshape(copied, (-1,))
            )
            return tf.reshape(flat, tf.stack([-1, choices.count])), read, (hidden, cell)

        return network
