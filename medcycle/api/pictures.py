"""Pictures: PNG, JPEG and NumPy files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from medcycle.evaluation import Summary

__all__ = ["score_pictures", "translate_pictures"]


def translate_pictures(
    model: Path | str,
    pictures: Path | str,
    output: Path | str,
    *,
    to: Literal["ct", "mr"] = "ct",
    device: str = "auto",
) -> list[Path]:
    """Translate pictures by a model that was trained on pictures, as by `mc.train("images_2d", ...)`.

    Args:
        model: a run's folder or a checkpoint.
        pictures: a picture or a folder of them, of any sizes, grey or RGB.
        output: a folder, which gets a picture of the same size for each; those that are there are skipped.
        to: `ct` for the second domain, `mr` for the first.
        device: `cpu`, `cuda`, ...; `auto` for a GPU if there is one.

    Returns:
        The pictures: `NAME.png`, or `NAME.npy` (float32 in [0, 1]) of a NumPy file.

    Raises:
        UsageError: if the model was trained on scans, or can't translate in that direction.
        DataError: if pictures can't be read; the others are translated all the same.
    """
    from medcycle.synthesis.pictures import translate_pictures as translate

    return translate(Path(model), Path(pictures), Path(output), to=to, device=device)


def score_pictures(real: Path | str, synthetic: Path | str) -> Summary:
    """Score pictures against true ones of the same names: mean absolute error (0 to 255), PSNR (dB) and SSIM.

    Args:
        real: a folder of pictures, or one.
        synthetic: likewise.

    Raises:
        UsageError: if a path is missing, or no names are the same.
        DataError: if none can be scored.
    """
    from medcycle.evaluation.pictures import score_pictures as score

    return score(Path(real), Path(synthetic))
