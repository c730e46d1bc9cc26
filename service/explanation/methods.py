"""Each method over a subject and the model: what is served is `model.explanation` itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from model.explanation.document import Units
from model.explanation.methods.ablation import ablation
from model.explanation.methods.copy_split import copy_split
from model.explanation.methods.gradient import gradient
from model.explanation.methods.removal import (
    leave_one_out,
    leave_one_out_by_word,
    source_reliance,
)
from model.explanation.scorer import Floats
from service.explanation.asked_model import AskedModel
from service.explanation.catalogue import Offer
from service.explanation.rows import (
    MOST_SELF_SOURCES,
    MOST_SOURCES,
    Places,
    attention_rows,
    copy_rows,
    score_list,
    score_rows,
)
from service.explanation.subject import Subject
from service.rendering.alignment import Alignment, merge_words
from service.rendering.attention_view import number

Entry = dict[str, Any]
"""An explanation as it is sent, without its method, target and evidence."""


def explanations_of(
    subject: Subject, model: AskedModel, offered: Mapping[str, Offer]
) -> list[Entry]:
    """What the methods that were asked for say, in their order.

    Raises:
        RuleBroken: the target is not in the summary.
        ServiceError: the model does not answer.
    """
    found = []
    for name in subject.request.methods:
        target = None if name == "self_attention" else _target(subject)
        evidence = offered[name].evidence
        found += [
            {"method": name, "target": target, **entry, "evidence": evidence}
            for entry in _METHODS[name](subject, model)
        ]
    return found


def source_places(subject: Subject, alignment: Alignment) -> Places:
    """The units of the text."""
    unit = subject.request.offset_unit
    return Places(alignment.source_text, alignment.source_spans, unit)


def summary_places(subject: Subject, alignment: Alignment) -> Places:
    """The units of the summary."""
    unit = subject.request.offset_unit
    return Places(alignment.summary_text, alignment.summary_spans, unit)


def _target(subject: Subject) -> dict[str, int] | None:
    if subject.target is None:
        return None
    place = Places(subject.tokens.summary_text, [subject.target], subject.request.offset_unit)[0]
    return {"start": place["start"], "end": place["end"]}


def _attention(subject: Subject, _: AskedModel) -> list[Entry]:
    units = subject.units
    rows = attention_rows(
        units.attention,
        summary_places(subject, units),
        source_places(subject, units),
        np.flatnonzero(subject.asked_about(units)).tolist(),
        MOST_SOURCES,
    )
    return [{"unit": subject.request.unit, "rows": rows}]


def _copy_split(subject: Subject, _: AskedModel) -> list[Entry]:
    tokens, summary = subject.tokens, subject.summary
    split = copy_split(subject.scores, summary.source_ids, summary.summary_ids)
    rows = copy_rows(
        split,
        tokens.log_probs,
        summary_places(subject, tokens),
        source_places(subject, tokens),
        np.flatnonzero(subject.asked_about(tokens)).tolist(),
    )
    # Rounded to six decimals, it would always be 0.
    entry: Entry = {"unit": "token", "rows": rows, "error": float(f"{split.error:.1e}")}
    if subject.request.unit != "token":
        entry["source_units"] = source_places(subject, tokens).columns
    return [entry]


def _source_reliance(subject: Subject, model: AskedModel) -> list[Entry]:
    # As log probabilities do, the nats of a word's tokens add up.
    lost = source_reliance(model, subject.document)
    units = _in_unit(subject, replace(subject.tokens, log_probs=lost))
    rows = score_rows(
        units.log_probs,
        summary_places(subject, units),
        np.flatnonzero(subject.asked_about(units)).tolist(),
    )
    return [{"unit": subject.request.unit, "rows": rows}]


def _gradient(subject: Subject, model: AskedModel) -> list[Entry]:
    norms = gradient(model, subject.document, subject.target_weights)
    rows = np.tile(norms, (len(subject.summary.summary_ids), 1))
    units = _in_unit(subject, replace(subject.tokens, attention=rows))
    return [{"unit": subject.request.unit, "scores": score_list(units.attention[0])}]


def _self_attention(subject: Subject, model: AskedModel) -> list[Entry]:
    layer, head = subject.request.layer, subject.request.head
    if layer is None or head is None:
        raise ValueError("self_attention needs a layer and a head")
    weights = model.self_attention(subject.summary.source_ids, layer, head)
    tokens, nothing = subject.tokens, np.zeros(len(weights))
    units = _in_unit(
        subject,
        Alignment(
            summary_text=tokens.source_text,
            summary_spans=tokens.source_spans,
            source_text=tokens.source_text,
            source_spans=tokens.source_spans,
            attention=weights,
            log_probs=nothing,
            copy_gate=nothing,
            copied_share=nothing,
        ),
    )
    places = source_places(subject, units)
    every = range(len(units.attention))
    rows = attention_rows(units.attention, places, places, every, MOST_SELF_SOURCES)
    return [{"unit": subject.request.unit, "rows": rows}]


def _leave_one_out(subject: Subject, model: AskedModel) -> list[Entry]:
    document, target = subject.document, subject.target_weights
    by_sentence = leave_one_out(model, document, document.sentences, target)
    by_word = leave_one_out_by_word(model, document, target=target, by_sentence=by_sentence)
    return [
        _of_units(subject, "sentence", document.sentences, by_sentence),
        _of_units(subject, "word", document.words, by_word),
    ]


def _ablation(subject: Subject, model: AskedModel) -> list[Entry]:
    document = subject.document
    found = ablation(model, document, document.sentences, subject.target_weights)
    entry = _of_units(subject, "sentence", document.sentences, found.scores)
    fit = found.held_out_fit
    return [{**entry, "held_out_fit": None if np.isnan(fit) else number(fit)}]


def _of_units(subject: Subject, unit: str, units: Units, scores: Floats) -> Entry:
    places = Places(subject.text, subject.spans_of(units), subject.request.offset_unit)
    return {"unit": unit, "scores": score_list(scores), "source_units": places.columns}


def _in_unit(subject: Subject, tokens: Alignment) -> Alignment:
    return merge_words(tokens) if subject.request.unit == "word" else tokens


_METHODS: Mapping[str, Callable[[Subject, AskedModel], list[Entry]]] = {
    "attention": _attention,
    "copy_split": _copy_split,
    "source_reliance": _source_reliance,
    "gradient": _gradient,
    "self_attention": _self_attention,
    "leave_one_out": _leave_one_out,
    "ablation": _ablation,
}
