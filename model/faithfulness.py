"""How faithful an artifact's explanations are: `python -m model.faithfulness`.

Every method is held against orders of words that know nothing of the model. It asks the exported
SavedModel: what is measured is what is served.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from model.artifact import MANIFEST, latest_version, read_golden, read_manifest
from model.card import kinds_of_text, write_explanations
from model.explanation import sanity, study
from model.explanation.chart import curves
from model.explanation.document import Document, all_kept, by_unit, read_document
from model.explanation.methods.attention import attention
from model.explanation.methods.removal import leave_one_out
from model.explanation.report import judged, study_report, tables
from model.explanation.sanity import ScorerOf, Stages
from model.explanation.scorer import log_probs
from model.exported import ExportedModel
from model.exported_scorer import BATCH, CASCADE, randomised, scorers
from model.readers import DataFile, Example, read_examples
from model.readers.rows import DEFAULT_STYLE
from model.tokenizer import EncodedText, Tokenizer

ARTIFACTS = Path("artifacts/summarizer")
SCHEMA = "faithfulness/1"
SEED = 0
CASCADE_DOCUMENTS = 50
GOLDEN = 3
MAX_SOURCE_TOKENS = 1024
"""Read of a text where no manifest says how many."""

LONGEST = 512
"""Tokens of a text: the scores that a study asks for grow with the square of the length."""

MIN_WORDS = 10
"""Of a text: with fewer, all budgets are the same word."""


def choose(
    paths: Sequence[str], documents: int, tokenizer: Tokenizer, longest: int = LONGEST
) -> list[Example]:
    """Examples drawn from all files at random, the same in every run.

    Raises:
        ValueError: there are fewer texts than asked for, or fewer than 2 are asked for.
    """
    read = [example for path in paths for example in read_examples(path)]
    order = np.random.default_rng(SEED).permutation(len(read)).tolist()
    fit = (i for i in order if is_measurable(read[i].text, tokenizer, longest))
    chosen = sorted(islice(fit, max(documents, 0)))
    if not 2 <= len(chosen) == documents:
        raise ValueError(
            f"documents must be 2 to {len(chosen)}, the texts of at least {MIN_WORDS} words and at "
            f"most {longest} tokens, got {documents}"
        )
    return [read[i] for i in chosen]


def is_measurable(text: str, tokenizer: Tokenizer, longest: int) -> bool:
    """Whether a text has words to tell apart, and not so many that all scores take too long."""
    return len(text.split()) >= MIN_WORDS and len(tokenizer.encode(text).ids) <= longest


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is measured: an exported model, or the network itself."""

    tokenizer: Tokenizer
    styles: Sequence[str]
    default_style: str
    max_source_tokens: int
    weights_sha256: str
    scorer_of: ScorerOf
    randomised: Callable[[], Stages]  # spoils the weights
    summarize: Callable[[Sequence[EncodedText], Sequence[str]], list[list[int]]]


def exported_model(exported: ExportedModel) -> Model:
    """What is served."""
    manifest = exported.manifest
    return Model(
        tokenizer=exported.tokenizer,
        styles=manifest.styles,
        default_style=manifest.default_style,
        max_source_tokens=manifest.max_source_tokens,
        weights_sha256=weights_sha256(exported.weights),
        scorer_of=scorers(exported),
        randomised=lambda: randomised(exported),
        summarize=lambda sources, styles: [
            exported.summary_ids(source.ids, style)
            for source, style in zip(sources, styles, strict=True)
        ],
    )


def network_model(weights: Path, tokenizer: Path, config: Path | None) -> Model:
    """The network before it is exported, on any backend of Keras; summaries with the defaults."""
    from model.network_scorer import randomised_network, read_network

    known = json.loads(config.read_text(encoding="utf-8")) if config else {}
    network = read_network(weights, Tokenizer.load(tokenizer), known)
    styles = network.styles
    return Model(
        tokenizer=network.tokenizer,
        styles=styles,
        default_style=DEFAULT_STYLE if DEFAULT_STYLE in styles else styles[0],
        max_source_tokens=MAX_SOURCE_TOKENS,
        weights_sha256=weights_sha256(network.weights.values()),
        scorer_of=network.scorer,
        randomised=lambda: randomised_network(network),
        summarize=lambda sources, styles: network.summary_ids([s.ids for s in sources], styles),
    )


def weights_sha256(weights: Iterable[Any]) -> str:
    """One SHA-256 of the numbers of a network, exported or not; seeds are none of them."""
    digest = hashlib.sha256()
    for weight in weights:
        values = weight.numpy()
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            digest.update(f"{values.shape}\0".encode())
            digest.update(np.ascontiguousarray(values, np.float32).tobytes())
    return digest.hexdigest()


def write_summaries(model: Model, examples: Sequence[Example]) -> list[Document]:
    """Each text as the model reads it, with the summary that the model writes of it."""
    sources = [model.tokenizer.encode(e.text, model.max_source_tokens) for e in examples]
    styles = [e.style if e.style in model.styles else model.default_style for e in examples]
    return [
        read_document(model.tokenizer, example.text, source, ids, style)
        for example, source, ids, style in zip(
            examples, sources, model.summarize(sources, styles), styles, strict=True
        )
    ]


def save_summaries(path: Path, examples: Sequence[Example], documents: Sequence[Document]) -> None:
    """One summary a line, known by the digest of its text."""
    rows = (
        {"text": text_sha256(e), "style": d.style, "summary_ids": d.summary_ids.tolist()}
        for e, d in zip(examples, documents, strict=True)
    )
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def read_summaries(path: Path, model: Model, examples: Sequence[Example]) -> list[Document]:
    """What `save_summaries` wrote, perhaps of more texts.

    Raises:
        KeyError: a text has no summary there.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    known = {row["text"]: row for row in rows}
    found = []
    for example in examples:
        row = known[text_sha256(example)]
        source = model.tokenizer.encode(example.text, model.max_source_tokens)
        found.append(
            read_document(model.tokenizer, example.text, source, row["summary_ids"], row["style"])
        )
    return found


def text_sha256(example: Example) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(example.text.encode()).hexdigest()


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


def estimate(model: Model, documents: Sequence[Document]) -> str:
    """How many scores are needed, and how long that takes at the pace of one batch now."""
    document = documents[0]
    keep = np.repeat(all_kept(document), BATCH, axis=0)
    scorer = model.scorer_of(document.style)
    for _ in range(2):  # the first call also prepares
        began = time.perf_counter()
        log_probs(scorer, document.source_ids, keep, document.summary_ids)
        seconds = time.perf_counter() - began
    scores = study.scores_needed(documents)
    scores += sanity.scores_needed(documents[:CASCADE_DOCUMENTS], len(CASCADE))
    minutes = scores / BATCH * seconds / 60
    return f"about {scores} scores, {minutes:.0f} minutes at the pace of one batch"


def measure(model: Model, documents: Sequence[Document], threads: int) -> dict[str, Any]:
    """The figures, with progress on stderr; the model's weights are spoilt at the end."""
    began = time.perf_counter()
    print(estimate(model, documents), file=sys.stderr)

    def progress(done: int) -> None:
        minutes = (time.perf_counter() - began) / 60
        print(f"{done} of {len(documents)} documents, {minutes:.1f} min", file=sys.stderr)

    figures = study.measure(model.scorer_of, documents, progress, threads)
    few = documents[:CASCADE_DOCUMENTS]
    spoilt = sanity.cascade(model.scorer_of, model.randomised(), few, threads)
    return {
        "documents": len(documents),
        "cascade_documents": len(few),
        "seed": SEED,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        **study_report(figures, spoilt),
    }


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
    own = {"schema": SCHEMA, "model": model}
    # First in the file, and those of a report that was finished before are replaced.
    return {**own, **judged(report), **own, "golden": golden_scores(exported, directory)}


def command_line() -> argparse.ArgumentParser:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m model.faithfulness", description=__doc__)
    parser.add_argument("--data", nargs="+", help="texts not trained on")
    parser.add_argument("--documents", type=int, default=200, help="drawn at random; default 200")
    parser.add_argument(
        "--longest", type=int, default=LONGEST, help=f"tokens of a text; default {LONGEST}"
    )
    parser.add_argument("--artifact", type=Path, help="default: the newest shipped version")
    parser.add_argument("--weights", type=Path, help="a checkpoint's .npz, not an artifact")
    parser.add_argument("--tokenizer", type=Path, help="with --weights: its tokenizer.json")
    parser.add_argument("--config", type=Path, help="with --weights: sizes that they don't show")
    parser.add_argument("--summaries", type=Path, help="written before by --write-summaries")
    parser.add_argument("--write-summaries", type=Path, help="write them there, measure nothing")
    parser.add_argument("--finish", type=Path, help="a report of --weights that are now exported")
    parser.add_argument("--threads", type=int, default=1, help="documents at a time; default 1")
    parser.add_argument("--out", type=Path, default=Path("faithfulness.json"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables and writes `faithfulness.json`, and its curves beside it as SVG."""
    parser = command_line()
    given = parser.parse_args(arguments)
    if (given.data is None) == (given.finish is None):
        parser.error("give either --data or --finish")
    if (given.weights is None) != (given.tokenizer is None):
        parser.error("--weights and --tokenizer belong together")
    try:
        report = report_of(given)
    except ValueError as error:
        parser.error(str(error))
    if report is not None:
        write_report(given.out, report)
        print(f"texts: {kinds_of_text(report)}\n\n{tables(report)}")
    return 0


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


def report_of(given: argparse.Namespace) -> dict[str, Any] | None:
    """What the command line asks for; none where it is only summaries.

    Raises:
        ValueError: there are too few texts, or weights and files don't belong together.
    """
    if given.weights:
        return study_of(network_model(given.weights, given.tokenizer, given.config), given)
    directory = given.artifact or latest_version(ARTIFACTS)
    report: dict[str, Any] | None
    if given.finish:
        report = json.loads(given.finish.read_text(encoding="utf-8"))
    else:
        report = study_of(exported_model(ExportedModel(directory)), given)
    # Loaded anew: the study spoils the weights.
    return report and finished(report, ExportedModel(directory), directory)


def study_of(model: Model, given: argparse.Namespace) -> dict[str, Any] | None:
    """The report of what was measured; none where only summaries were asked for.

    Raises:
        ValueError: there are too few texts.
    """
    examples = choose(given.data, given.documents, model.tokenizer, given.longest)
    if given.summaries:
        documents = read_summaries(given.summaries, model, examples)
    else:
        documents = write_summaries(model, examples)
    if given.write_summaries:
        save_summaries(given.write_summaries, examples, documents)
        return None
    files = [DataFile(address=address) for address in given.data]
    return {
        "weights_sha256": model.weights_sha256,
        "data": [{"file": file.name, "sha256": file.sha256()} for file in files],
        "longest_text": given.longest,
        "kinds_of_text": dict(sorted(Counter(e.origin for e in examples).items())),
        **measure(model, documents, given.threads),
    }


if __name__ == "__main__":
    raise SystemExit(main())
