"""The model card of an artifact.

The card holds figures that are measured on the finished artifact, so it is written after it and
the manifest is sealed again; `model_sha256` covers weights and tokenizer only and stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from model.artifact import (
    FAITHFULNESS,
    MODEL_CARD,
    Manifest,
    file_digests,
    read_manifest,
    write_manifest,
)
from model.explanation.tables import tables
from model.training import curves

_TEMPLATE = """\
# {name} {version}

Writes a one-line summary of an English text ({styles}) and shows for every token of it where in
the text the model looked. {parameters} million parameters, trained from scratch.

## What it is for

Drafts of headlines and titles that a person checks, with the attention beside each word. It is
not for unattended publication: it can name the wrong person, join two facts that do not belong
together, or state as certain what the text calls alleged.

## Network

Self-attention encoder ({num_layers} layers of {hidden_dim}, {num_heads} heads), LSTM decoder, one
head of cross-attention which is also the copy distribution, vocabulary of {vocab_size} subwords.
It reads the first {max_source_tokens} tokens of a text and writes at most {max_summary_tokens}.
Copying is by token id: another spelling of the same word counts as generated.

## Training

{steps} steps of about {tokens_per_batch} source tokens; seed {seed}; optimizer {optimizer}.

| file | weight an epoch | source | rights | SHA-256 |
| --- | --- | --- | --- | --- |
{data}

Targets in title case were respelt as their texts spell them; the model writes sentence case.
{hidden} % of the training examples had source positions hidden at random.
{curves}
## Quality

{quality}
{samples}"""

_UNMEASURED = "Not evaluated yet: `make evaluate DATA=… ARGS=--write-card`."
_MEASURED = """\
ROUGE F1 by `rouge-score`, stemmed, with the defaults of the manifest. The lead baseline is the
best of several beginnings of the text, chosen with hindsight for each metric. Intervals are 95 %,
paired bootstrap over documents.

{table}

Press releases are partisan and formulaic, and so is what is learnt from them. On texts of another
kind expect less: compare the sets that were not trained on.
"""
_SAMPLES = """
## Ten texts

They were written for this card, and none was left out for what the model made of it.

{samples}
"""
_CURVES = f"""
![Loss and ROUGE-L over the steps of the training]({curves.FILE_NAME})
"""
_EXPLANATIONS = f"""
## Explanations

Measured on {{documents}} texts ({{kinds}}), and to be believed of texts of that kind only. What the
figures mean is in docs/explanations.md of the project.

![What a summary loses without the top words, and with them alone]({Path(FAITHFULNESS).stem}.svg)

{{tables}}
"""
_SIZES = ("num_layers", "hidden_dim", "num_heads", "vocab_size")


def render(manifest: Manifest, table: str = "", samples: str = "", has_curves: bool = False) -> str:
    """The card as Markdown, with measured quality and sample summaries if there are any."""
    progress: dict[str, Any] = manifest.training.get("progress", {})
    options: dict[str, Any] = manifest.training.get("options", {})
    batches = options.get("batches", {})
    return _TEMPLATE.format(
        name=manifest.name,
        version=manifest.version,
        styles=", ".join(manifest.styles),
        parameters=round(manifest.config.get("parameters", 0) / 1e6, 1),
        max_source_tokens=manifest.max_source_tokens,
        max_summary_tokens=manifest.max_summary_tokens,
        **{key: manifest.config[key] for key in _SIZES},
        steps=progress.get("step", "?"),
        tokens_per_batch=batches.get("tokens_per_batch", "?"),
        seed=batches.get("seed", "?"),
        optimizer=options.get("optimizer", "?"),
        hidden=round(100 * batches.get("hidden_share", 0)),
        curves=_CURVES if has_curves else "",
        data="\n".join(_data_row(row) for row in manifest.training.get("data", [])),
        samples=_SAMPLES.format(samples=samples) if samples else "",
        quality=_MEASURED.format(table=table) if table else _UNMEASURED,
    )


def _data_row(row: dict[str, Any]) -> str:
    origin = f"{row.get('source', 'not stated')} | {row.get('rights', 'not stated')}"
    return f"| {row['file']} | {row['weight']} | {origin} | `{row['sha256']}` |"


def write_card(
    directory: Path,
    table: str,
    samples: str,
    low_confidence: float | None,
    loose_styles: Sequence[str] | None = None,
) -> None:
    """Replaces the card of a sealed artifact and its calibration, and seals it again.

    Args:
        directory: The artifact.
        table: What was measured, as Markdown.
        samples: Texts and what became of them, as Markdown.
        low_confidence: Mean log-probability a token, in nats, below which the service warns.
        loose_styles: Styles whose support is loose by default; None leaves them as they are.
    """
    manifest = replace(read_manifest(directory), low_confidence_log_prob=low_confidence)
    if loose_styles is not None:
        manifest = replace(manifest, loose_styles=tuple(loose_styles))
    has_curves = (directory / curves.FILE_NAME).exists()
    _seal(directory, manifest, render(manifest, table, samples, has_curves))


def write_explanations(directory: Path, manifest: Manifest) -> None:
    """Puts what was measured of explanations in the artifact's card, and seals it again."""
    _seal(directory, manifest, _without_explanations(directory))


def write_carried(directory: Path, manifest: Manifest, former: Path) -> None:
    """Gives an artifact the card of another of the same weights, and seals it again.

    What was measured of explanations stays behind.
    """
    kept = read_manifest(former, verify=False)
    heading, text = f"# {kept.name} {kept.version}\n", _without_explanations(former)
    if not text.startswith(heading):
        raise ValueError(f"the card in {former} does not begin with its name and version")
    _seal(directory, manifest, f"# {manifest.name} {manifest.version}\n{text[len(heading) :]}")


def _without_explanations(directory: Path) -> str:
    card = (directory / MODEL_CARD).read_text(encoding="utf-8")
    return card.partition(_EXPLANATIONS.partition("\n\n")[0])[0]


def kinds_of_text(report: Mapping[str, Any]) -> str:
    """On how many texts of which kind explanations were measured."""
    return ", ".join(f"{kind} {number}" for kind, number in report["kinds_of_text"].items())


def _seal(directory: Path, manifest: Manifest, card: str) -> None:
    path = directory / FAITHFULNESS
    if path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
        card += _EXPLANATIONS.format(
            documents=report["documents"], kinds=kinds_of_text(report), tables=tables(report)
        )
    (directory / MODEL_CARD).write_text(card, encoding="utf-8")
    write_manifest(directory, replace(manifest, files=file_digests(directory)))
