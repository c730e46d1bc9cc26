"""One study: the cascade, then one document after the other, as far as time allows."""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.explanation import sanity, study
from model.explanation.document import Document, all_kept
from model.explanation.report import study_report
from model.explanation.scorer import log_probs
from model.faithfulness.models import Model
from model.faithfulness.partial import PartialStudy
from model.faithfulness.texts import SEED
from model.readers import DataFile, Example
from model.scoring.exported_scorer import BATCH, CASCADE

CASCADE_DOCUMENTS = 50
LEAST_DOCUMENTS = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a study is made.

    Attributes:
        data: The files that its texts are from.
        longest: Tokens of a text, at most.
        threads: Documents at a time.
        minutes: After which no further document is begun; none: as long as it takes.
        partial: A file that keeps what is done; a study that finds some there goes on from it.
    """

    data: Sequence[str]
    longest: int
    threads: int = 1
    minutes: float | None = None
    partial: Path | None = None


def report_of(
    model: Model, examples: Sequence[Example], documents: Sequence[Document], plan: Plan
) -> dict[str, Any]:
    """The report of the examples' documents, in the order in which they were drawn.

    Raises:
        ValueError: time was over too soon, or what was kept is of another study.
    """
    files = [DataFile(address=address) for address in plan.data]
    of = {
        "weights_sha256": model.weights_sha256,
        "data": [{"file": file.name, "sha256": file.sha256()} for file in files],
        "longest_text": plan.longest,
        "seed": SEED,
    }
    kept = PartialStudy(plan.partial, {**of, "documents_sha256": _sha256(documents)})
    _measure(model, documents, plan, kept)
    done = len(kept.figures)
    if done < LEAST_DOCUMENTS:
        raise ValueError(f"time was over after {done} documents, at least {LEAST_DOCUMENTS} needed")
    return {
        **of,
        "kinds_of_text": dict(sorted(Counter(e.origin for e in examples[:done]).items())),
        "documents": done,
        "documents_drawn": len(documents),
        "cascade_documents": min(CASCADE_DOCUMENTS, len(documents)),
        "minutes": round(kept.minutes, 1),
        **study_report(kept.figures, kept.likeness),
    }


def _measure(model: Model, documents: Sequence[Document], plan: Plan, kept: PartialStudy) -> None:
    """Adds what is not kept yet, as far as time allows: the cascade of a few, then each figure."""
    few = documents[:CASCADE_DOCUMENTS]
    before, began = kept.minutes, time.perf_counter()

    def spent() -> float:
        return (time.perf_counter() - began) / 60

    if not kept.likeness:
        _say(estimate(model, documents))
        likeness = sanity.cascade(model.scorer_of, model.randomised(), few, plan.threads)
        kept.keep_likeness(likeness, before + spent())
        _say(f"the cascade of {len(few)} documents, {kept.minutes:.1f} min")
    if len(kept.figures) == len(documents):
        return
    found = study.measure(
        model.scorer_of,
        documents,
        first=len(kept.figures),
        threads=plan.threads,
        is_over=lambda: plan.minutes is not None and spent() >= plan.minutes,
    )
    for figures in found:
        kept.keep_figures(figures, before + spent())
        _say(f"{len(kept.figures)} of {len(documents)} documents, {kept.minutes:.1f} min")


def estimate(model: Model, documents: Sequence[Document]) -> str:
    """How many scores are needed, and how long that takes at the pace of one batch now.

    A score takes as long as its text is: the pace is that of a token.
    """
    document = documents[0]
    keep = np.repeat(all_kept(document), BATCH, axis=0)
    scorer = model.scorer_of(document.style)
    for _ in range(2):  # the first call also prepares
        began = time.perf_counter()
        log_probs(scorer, document.source_ids, keep, document.summary_ids)
        seconds = time.perf_counter() - began
    scores = [study.scores_needed([one]) for one in documents]
    for i, one in enumerate(documents[:CASCADE_DOCUMENTS]):
        scores[i] += sanity.scores_needed([one], len(CASCADE))
    tokens = np.dot(scores, [len(one.source_ids) for one in documents])
    minutes = tokens / (BATCH * len(document.source_ids)) * seconds / 60
    return f"about {sum(scores)} scores, {minutes:.0f} minutes at the pace of one batch"


def _sha256(documents: Sequence[Document]) -> str:
    """Of the texts and their summaries, in order."""
    digest = hashlib.sha256()
    for document in documents:
        for ids in (document.source_ids, document.summary_ids):
            digest.update(ids.tobytes() + b"|")
    return digest.hexdigest()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
