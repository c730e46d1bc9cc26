"""A report as a file of the exported model that it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.artifact import FAITHFULNESS_SCHEMA, MANIFEST, read_golden, read_manifest
from model.explanation.chart import curves
from model.explanation.document import all_kept, by_unit, read_document
from model.explanation.methods.removal import leave_one_out
from model.explanation.rankings import mean_attention
from model.explanation.report import judged
from model.exporting.card import write_explanations
from model.exporting.exported import ExportedModel
from model.faithfulness.models import weights_sha256
from model.scoring.exported_scorer import scorers

GOLDEN = 3


def finished(report: dict[str, Any], exported: ExportedModel, directory: Path) -> dict[str, Any]:
    """A report that names the exported model, and says of golden texts what it says.

    Phrases are judged anew: the rules may be newer than the study.

    Raises:
        ValueError: other weights were measured.
    """
    if report["weights_sha256"] != weights_sha256(exported.weights):
        raise ValueError(f"{directory}: the report is of other weights")
    manifest = exported.manifest
    model = {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.model_sha256,
    }
    own = {"schema": FAITHFULNESS_SCHEMA, "model": model}
    # First in the file, and those of a report that was finished before are replaced.
    return {**own, **judged(report), **own, "golden": golden_scores(exported, directory)}


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
        by_token = mean_attention(scores)
        found.append(
            {
                "golden": number,
                "attention": by_unit(by_token, document.words).tolist(),
                "leave_one_out": leave_one_out(scorer, document, document.sentences).tolist(),
            }
        )
    return found


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Writes the report and its curves; in an artifact also to its card, and seals it again.

    Raises:
        ArtifactError: that artifact is damaged; nothing is written.
    """
    directory = out.parent
    manifest = read_manifest(directory) if (directory / MANIFEST).exists() else None
    text = json.dumps(report, indent=1, allow_nan=False)
    out.write_text(f"{text}\n", encoding="utf-8")
    out.with_suffix(".svg").write_text(curves(report), encoding="utf-8")
    if manifest:
        write_explanations(directory, manifest)
