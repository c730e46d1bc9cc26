"""The graph of an artifact made anew from its own weights, as the next version.

`python -m model.reexport --artifact artifacts/summarizer/N --root artifacts/summarizer`: for a
faster graph of the same network. Weights, tokenizer, defaults, provenance, calibration, curves and
card are those of the artifact; what was measured of its explanations names the old version and is
left out (`python -m model.faithfulness --finish` carries it over).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model import artifact
from model.artifact import ArtifactError
from model.encoder import SummarizerConfig
from model.export import ExportOptions, load_weights, publish, stored_weights, write_artifact
from model.exporting.card import write_carried
from model.exporting.golden import LEAD, GoldenError
from model.exporting.verification import ExportError
from model.inference import Inference
from model.summarizer import Summarizer
from model.tokenizer import Tokenizer
from model.training import curves
from model.training.progress import report


def reexport(directory: Path, root: Path, golden_lead: float = LEAD) -> Path:
    """Publishes the next version under `root`, of the weights of the artifact in `directory`.

    `golden_lead` is that of `golden_examples`.

    Raises:
        ArtifactError: `directory` holds no artifact, or a damaged one.
        ExportError: the new graph computes other numbers, or its weights are stored as other bytes.
    """
    manifest = artifact.read_manifest(directory)
    sizes = {name: size for name, size in manifest.config.items() if name != "parameters"}
    network = Summarizer(SummarizerConfig(**sizes))
    load_weights(directory, network)
    tokenizer = Tokenizer.load(directory / artifact.TOKENIZER)
    options = ExportOptions(
        default_style=manifest.default_style,
        max_source_tokens=manifest.max_source_tokens,
        max_summary_tokens=manifest.max_summary_tokens,
        num_beams=manifest.default_num_beams,
        length_penalty=manifest.default_length_penalty,
        min_new_tokens=manifest.default_min_new_tokens,
        max_new_tokens=manifest.default_max_new_tokens,
        golden_lead=golden_lead,
        low_confidence_log_prob=manifest.low_confidence_log_prob,
    )
    inference = Inference(network, tokenizer, manifest.styles)

    def write(made: Path) -> None:
        write_artifact(made, inference, tokenizer, options, manifest.training)
        if stored_weights(made) != stored_weights(directory):
            raise ExportError("the weights are stored as other bytes")
        if (directory / curves.FILE_NAME).exists():
            shutil.copyfile(directory / curves.FILE_NAME, made / curves.FILE_NAME)
        carried = replace(
            artifact.read_manifest(made, verify=False),
            length_penalties=manifest.length_penalties,
            loose_styles=manifest.loose_styles,
        )
        write_carried(made, carried, directory)

    return publish(root, write)


def main(arguments: Sequence[str] | None = None) -> int:
    """Publishes from the command line."""
    parser = argparse.ArgumentParser(prog="python -m model.reexport", description=__doc__)
    parser.add_argument("--artifact", type=Path, required=True, help="the version to take")
    parser.add_argument("--root", type=Path, required=True, help="where versions are published")
    parser.add_argument("--golden-lead", type=float, default=LEAD, help="as for model.train")
    given = parser.parse_args(arguments)
    try:
        report(f"exported {reexport(given.artifact, given.root, given.golden_lead)}")
    except (ArtifactError, ExportError, GoldenError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
