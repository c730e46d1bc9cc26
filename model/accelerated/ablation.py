"""What each part is worth, by runs of equal length: `python -m model.accelerated.ablation`.

Every change to the base is trained by `python -m model.accelerated` in a process of its own, as
many side by side as one asks for; those that are there already are not run again. The table gives
the loss of the references and the ROUGE of greedy summaries, with the paired 95 % interval of the
difference to the base over the texts of all sets.

PACKS holds folders of packs: `base`, and for some changes others, of the same pairs, whose names
`PACKED` has.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from model.evaluation.rouge import METRICS, Scores, paired_interval, rouge
from model.packed import PackedCorpus
from model.readers import read_examples
from model.tokenizer import EOS_ID, PAD_ID, Tokenizer
from model.training.progress import report

BASE, SECOND = "base", "base, another seed"

CHANGES: dict[str, tuple[str, ...]] = {
    BASE: (),
    SECOND: ("--seed", "1"),
    "no copying": ("--without", "copy"),
    "added positions in place of rotation": ("--without", "rotation"),
    "no feed-forward part in the decoder": ("--without", "decoder-ffn"),
    "three layers": ("--num-layers", "3"),
    "six layers": ("--num-layers", "6"),
    "sources of 128 tokens": ("--source-tokens", "128"),
    "every position sees all others": ("--no-window",),
    "no hidden positions": ("--hidden-share", "0"),
    "no hidden sentences at first": ("--gap-until", "0"),
    "label smoothing 0.1": ("--label-smoothing", "0.1"),
    "no moving average": ("--ema-decay", "0"),
    "AdamW in place of Muon": ("--optimizer", "adamw"),
}
"""Options of model.accelerated, over the same packs."""

PACKED: dict[str, str] = {
    "targets not truecased": "no-truecasing",
    "a tenth of the merges left out": "merge-dropout",
    "vocabulary of 4,096": "vocab-4096",
    "vocabulary of 16,384": "vocab-16384",
}
"""Other packs of the same pairs, by their folder; those of `base` are used for what it lacks."""

SHARES = {"press": 0.37, "arxiv": 0.43, "bills": 0.20}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m model.accelerated.ablation", description=__doc__
    )
    add = parser.add_argument
    add("--packs", type=Path, required=True)
    add("--validation", nargs="+", required=True, help="files of the sets in `base`, with texts")
    add("--tokenizer", type=Path, required=True, help="of `base`; others have their own")
    add("--out", type=Path, required=True)
    add(
        "--only",
        nargs="*",
        choices=[*CHANGES, *PACKED],
        metavar="CHANGE",
        help="changes; without names none is run, and the table printed",
    )
    add("--steps", type=int, default=600)
    add("--batch", type=int, default=128)
    add("--side-by-side", type=int, default=1, help="runs at a time")
    add("--options", default="", help="more options of model.accelerated, for every run")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is missing and prints the table; a run that failed makes the status 1."""
    given = parse_arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    names = [*CHANGES, *PACKED] if given.only is None else given.only
    missing = [name for name in names if not (_directory(given, name) / "student.json").exists()]
    has_failed = False
    with ThreadPoolExecutor(given.side_by_side) as pool:
        for name, status in zip(missing, pool.map(lambda n: _run(given, n), missing), strict=True):
            report(f"{name}: {'done' if status == 0 else f'failed with status {status}'}")
            has_failed = has_failed or status != 0
    print(markdown(list(_rows(given))))  # noqa: T201
    return int(has_failed)


def _directory(given: argparse.Namespace, name: str) -> Path:
    return Path(given.out / "".join(c if c.isalnum() else "-" for c in name))


def _pack(given: argparse.Namespace, name: str, file: str) -> Path:
    own = given.packs / PACKED.get(name, BASE) / file
    return Path(own if own.exists() else given.packs / BASE / file)


def _run(given: argparse.Namespace, name: str) -> int:
    directory = _directory(given, name)
    directory.mkdir(exist_ok=True)
    data = [f"{_pack(given, name, f'{part}.npz')}={share}" for part, share in SHARES.items()]
    checked = [str(_pack(given, name, f"{part}.validation.npz")) for part in _sets(given)]
    vocab_size = Tokenizer.load(_tokenizer(given, name)).vocab_size
    command = [sys.executable, "-m", "model.accelerated", "--data", *data, "--greedy"]
    command += ["--validation", *checked, "--validation-seconds", "1e9", "--out", str(directory)]
    command += ["--seconds", "1", "--steps", str(given.steps), "--batch", str(given.batch)]
    command += ["--long-every", "0", "--vocab-size", str(vocab_size), *given.options.split()]
    with (directory / "log").open("w", encoding="utf-8") as log:
        done = subprocess.run(  # noqa: S603  # our own module
            [*command, *CHANGES.get(name, ())],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"},
            check=False,
        )
    return done.returncode


def _tokenizer(given: argparse.Namespace, name: str) -> Path:
    own = given.packs / PACKED.get(name, BASE) / "tokenizer.json"
    return Path(own if own.exists() else given.tokenizer)


def _sets(given: argparse.Namespace) -> dict[str, str]:
    """Validation files by the name of their set."""
    return {Path(file).name.split(".")[0]: file for file in given.validation}


def _rows(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row a finished run: nats a text by set, ROUGE by text."""
    references = {
        name: [example.summary for example in read_examples(file, 16_384)]
        for name, file in _sets(given).items()
    }
    for name in [*CHANGES, *PACKED]:
        directory = _directory(given, name)
        if not (directory / "student.json").exists():
            continue
        history = json.loads((directory / "student.json").read_text(encoding="utf-8"))["history"]
        losses = next(row for row in reversed(history) if set(references) <= set(row))
        tokenizer = Tokenizer.load(_tokenizer(given, name))
        nats, scores = {}, {}
        with np.load(directory / "student.greedy.npz") as written:
            for part, summaries in references.items():
                rows = written[f"{part}/rows"]
                lengths = PackedCorpus.load(_pack(given, name, f"{part}.validation.npz"))
                nats[part] = losses[part] * float(lengths.target_lengths[rows].mean())
                kept = [
                    [int(i) for i in row if i not in (PAD_ID, EOS_ID)]
                    for row in written[f"{part}/ids"]
                ]
                decoded = [tokenizer.decode(row).text for row in kept]
                scores[part] = rouge(decoded, [summaries[row] for row in rows])
        yield {"name": name, "nats": nats, "scores": scores}


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table; differences are of ROUGE-1 to the base, where that is there."""
    base = next((row for row in rows if row["name"] == BASE), None)
    sets = list(rows[0]["nats"]) if rows else []
    lines = [
        f"| change | nats a text: {', '.join(sets)} | ROUGE-1 / -2 / -L of all | to the base |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        joined = _joined(row)
        means = " / ".join(f"{mean:.1f}" for mean in joined.mean(axis=0))
        nats = ", ".join(f"{row['nats'][name]:.1f}" for name in sets)
        lines.append(f"| {row['name']} | {nats} | {means} | {_difference(joined, base, row)} |")
    return "\n".join(lines)


def _joined(row: dict[str, Any]) -> Scores:
    joined: Scores = np.concatenate(list(row["scores"].values()))
    return joined


def _difference(joined: Scores, base: dict[str, Any] | None, row: dict[str, Any]) -> str:
    if base is None or row is base:
        return ""
    first = METRICS.index("rouge1")
    ours = _joined(base)
    low, high = paired_interval(joined, ours)
    difference = (joined - ours).mean(axis=0)[first]
    return f"{difference:+.1f} ({low[first]:+.1f} to {high[first]:+.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
