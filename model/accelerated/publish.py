"""An artifact of what the recipe for one GPU trained, made where TensorFlow is.

`python -m model.accelerated.publish --run DIRECTORY --tokenizer FILE --data FILE=WEIGHT … --root
artifacts/summarizer`, where DIRECTORY holds student.npz and student.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.encoder import SummarizerConfig
from model.export import ExportOptions, export
from model.inference import Inference
from model.readers import DataFile
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer
from model.training.checkpoint import read_weights
from model.training.progress import report


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.accelerated.publish", description=__doc__
    )
    add = parser.add_argument
    add("--run", type=Path, required=True)
    add("--tokenizer", type=Path, required=True)
    add("--data", nargs="+", required=True, help="the files of the packs, with their shares")
    add("--provenance", type=Path, help="as for model.train")
    add("--root", type=Path, required=True)
    add("--default-style", default="headline")
    add("--max-source-tokens", type=int, default=1024)
    add("--length-penalty", type=float, default=1.4)
    add("--low-confidence", type=float, help="log-probability a token; see model.evaluate")
    return parser.parse_args(arguments)


def network(run: Path) -> tuple[Summarizer, dict[str, Any]]:
    """The trained network, in float32, and how it was trained.

    Raises:
        CheckpointError: the weights are missing or damaged.
        ValueError: weights of another network than the one that is named beside them, or of one
            that lacks a part.
    """
    known = json.loads((run / "student.json").read_text(encoding="utf-8"))
    if (name := known.get("network", Summarizer.__name__)) != Summarizer.__name__:
        raise ValueError(f"{run} holds a network that was changed for an ablation: {name}")
    # The seeds of dropout are variables too, of types that differ between the backends.
    model = Summarizer(SummarizerConfig(**{**known["config"], "dropout": 0.0}))
    weights = read_weights(run / "student.npz")
    variables = [v for v in model.variables if str(v.dtype).startswith("float")]
    sizes = [tuple(variable.shape) for variable in variables]
    if sizes != [array.shape for array in weights]:
        raise ValueError(
            f"the weights in {run / 'student.npz'} are not of the sizes in student.json"
        )
    for variable, array in zip(variables, weights, strict=True):
        variable.assign(array)
    return model, known


def options_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe under the names that model.train's options have in a manifest, and whole."""
    short = recipe["short"]
    batches = {
        "tokens_per_batch": short["size"] * short["source_tokens"],
        "seed": recipe["seed"],
        "hidden_share": recipe["mixture"]["hidden_share"],
    }
    return {"optimizer": recipe["optimizer"], "batches": batches, "recipe": recipe}


def main(arguments: Sequence[str] | None = None) -> int:
    """Publishes from the command line."""
    given = parse_arguments(arguments)
    model, known = network(given.run)
    tokenizer = Tokenizer.load(given.tokenizer)
    rights = json.loads(given.provenance.read_text(encoding="utf-8")) if given.provenance else {}
    files = [DataFile.parse(argument) for argument in given.data]
    training = {
        "data": [
            {"file": file.name, "weight": file.weight, "sha256": file.sha256()}
            | rights.get(file.name, {})
            for file in files
        ],
        "init_from": None,
        "progress": {"step": known["steps"]},
        "options": options_of(known["recipe"]),
    }
    history = [
        {"step": row["step"], "loss": row["summary"]}
        for row in known["history"]
        if "summary" in row
    ]
    options = ExportOptions(
        default_style=given.default_style,
        max_source_tokens=given.max_source_tokens,
        length_penalty=given.length_penalty,
        low_confidence_log_prob=given.low_confidence,
    )
    inference = Inference(model, tokenizer, tokenizer.styles)
    directory = export(given.root, inference, tokenizer, options, training, history)
    report(f"exported {directory}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
