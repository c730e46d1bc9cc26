"""How faithful an artifact's explanations are: `python -m model.faithfulness`.

Every method is held against orders of words that know nothing of the model. It asks the exported
SavedModel: what is measured is what is served.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.artifact import latest_version, read_golden
from model.explanation import sanity, study
from model.explanation.document import Document, all_kept, by_unit, read_document
from model.explanation.methods.attention import attention
from model.explanation.methods.removal import leave_one_out
from model.explanation.report import study_report, tables
from model.exported import ExportedModel
from model.exported_scorer import BATCH, CASCADE, randomised, scorers
from model.readers import DataFile, Example, read_examples

ARTIFACTS = Path("artifacts/summarizer")
SCHEMA = "faithfulness/1"
SEED = 0
CASCADE_DOCUMENTS = 50
GOLDEN = 3
MIN_WORDS = 10
"""Of a text: with fewer, all budgets are the same word."""


def choose(paths: Sequence[str], documents: int) -> list[Example]:
    """Examples drawn from all files at random, the same in every run.

    Raises:
        ValueError: there are fewer texts than asked for, or fewer than 2 are asked for.
    """
    examples = [example for path in paths for example in read_examples(path)]
    examples = [example for example in examples if len(example.text.split()) >= MIN_WORDS]
    if not 2 <= documents <= len(examples):
        raise ValueError(
            f"documents must be 2 to {len(examples)}, the texts of at least {MIN_WORDS} words, "
            f"got {documents}"
        )
    chosen = np.random.default_rng(SEED).choice(len(examples), documents, replace=False)
    return [examples[i] for i in sorted(chosen)]


def write_summaries(exported: ExportedModel, examples: Sequence[Example]) -> list[Document]:
    """Each text as the model reads it, with the summary that the model writes of it."""
    manifest = exported.manifest
    found = []
    for example in examples:
        style = example.style if example.style in manifest.styles else manifest.default_style
        source = exported.tokenizer.encode(example.text, manifest.max_source_tokens)
        ids = exported.summary_ids(source.ids, style)
        found.append(read_document(exported.tokenizer, example.text, source, ids, style))
    return found


def golden_scores(exported: ExportedModel, directory: Path) -> list[dict[str, Any]]:
    """What methods say of the first `GOLDEN` golden texts, or of all if there are fewer.

    By these a service shows that it computes the same.
    """
    found = []
    for number, example in enumerate(read_golden(directory)[:GOLDEN]):
        source = exported.tokenizer.encode(example.text, exported.manifest.max_source_tokens)
        document = read_document(
            exported.tokenizer, example.text, source, example.summary_ids, example.style
        )
        scorer = scorers(exported)(example.style)
        scores = scorer.score(document.source_ids, all_kept(document), document.summary_ids)
        weights = scores.attention_weights[0]
        by_token = attention(weights, np.ones(len(weights)))
        found.append(
            {
                "golden": number,
                "attention": by_unit(by_token, document.words).tolist(),
                "leave_one_out": leave_one_out(scorer, document, document.sentences).tolist(),
            }
        )
    return found


def estimate(exported: ExportedModel, documents: Sequence[Document]) -> str:
    """How many scores are needed, and how long that takes at the pace of one batch now."""
    document = documents[0]
    keep = np.repeat(all_kept(document), BATCH, axis=0)
    scorer = scorers(exported)(document.style)
    for _ in range(2):  # the first call also prepares
        began = time.perf_counter()
        scorer.score(document.source_ids, keep, document.summary_ids)
        seconds = time.perf_counter() - began
    scores = study.scores_needed(documents)
    scores += sanity.scores_needed(documents[:CASCADE_DOCUMENTS], len(CASCADE))
    minutes = scores / BATCH * seconds / 60
    return f"about {scores} scores, {minutes:.0f} minutes at the pace of one batch"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables and writes `faithfulness.json`."""
    parser = argparse.ArgumentParser(prog="python -m model.faithfulness", description=__doc__)
    parser.add_argument("--data", nargs="+", required=True, help="texts not trained on")
    parser.add_argument("--documents", type=int, default=200, help="drawn at random; default 200")
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--out", type=Path, default=Path("faithfulness.json"))
    given = parser.parse_args(arguments)
    directory = given.artifact or latest_version(ARTIFACTS)
    began = time.perf_counter()
    try:
        examples = choose(given.data, given.documents)
    except ValueError as error:
        parser.error(str(error))
    exported = ExportedModel(directory)
    documents = write_summaries(exported, examples)
    print(estimate(exported, documents), file=sys.stderr)

    def progress(done: int) -> None:
        minutes = (time.perf_counter() - began) / 60
        print(f"{done} of {len(documents)} documents, {minutes:.1f} min", file=sys.stderr)

    golden = golden_scores(exported, directory)
    figures = study.measure(scorers(exported), documents, progress)
    # Last: it spoils the weights.
    spoilt = sanity.cascade(scorers(exported), randomised(exported), documents[:CASCADE_DOCUMENTS])
    manifest, files = exported.manifest, [DataFile(address=a) for a in given.data]
    kinds = Counter(example.origin for example in examples)
    head = {
        "schema": SCHEMA,
        "model": {
            "name": manifest.name,
            "version": manifest.version,
            "sha256": manifest.model_sha256,
        },
        "data": [{"file": f.name, "sha256": f.sha256()} for f in files],
        "kinds_of_text": dict(sorted(kinds.items())),
        "documents": len(documents),
        "cascade_documents": min(len(documents), CASCADE_DOCUMENTS),
        "seed": SEED,
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }
    report = {**head, **study_report(figures, spoilt), "golden": golden}
    given.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    told = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items()))
    print(f"{manifest.name} {manifest.version} ({manifest.model_sha256[:12]}), texts: {told}\n")
    print(tables(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
