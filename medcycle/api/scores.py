"""Scores of synthetic volumes, with and without a true CT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from medcycle.api.images import image_of, path_or_none
from medcycle.errors import UsageError
from medcycle.modality import modality_of_values

if TYPE_CHECKING:
    from medcycle.evaluation import Summary

__all__ = ["evaluate", "judge"]


def evaluate(
    real: Any,
    synthetic: Any,
    mask: Any = None,
    *,
    protocol: str | None = None,
    mr: Path | str | None = None,
    output: Path | str | None = None,
) -> Summary:
    """Score synthetic volumes against the true ones.

    Args:
        real: the true volume or a folder of cases, or an image as for `synthesize`.
        synthetic: the synthetic volume or folder. Cases in folders are paired by name.
        mask: where to score; by default the body in the true volume.
        protocol: `medcycle`, `synthrad2023`, `synthrad2025` or `synthrad2025_container`; `mr` for MR. None
            depends on the modality of the true volume.
        mr: what the synthetic volumes were made from, for the viewer of a report.
        output: a folder for the tables and for what was found of each case, as `medcycle evaluate` writes it and
            `write_report` takes it; only for files and folders.

    Returns:
        `cases` (metrics for each case), `mean`, and `failed` (the cases that could not be scored, with the reason).

    Raises:
        UsageError: if cases don't match by name, the protocol is unknown, or images in memory have an output.
        DataError: if nothing could be scored.
    """
    from medcycle import evaluation
    from medcycle.synthesis.pseudonyms import own_names

    if all(isinstance(one, str | os.PathLike) for one in (real, synthetic)):
        names = own_names(Path(synthetic))
        cases = evaluation.match_cases(Path(real), Path(synthetic), path_or_none(mask), names, source=path_or_none(mr))
        if output is None:
            return evaluation.evaluate(cases, protocol)
        with evaluation.evaluation_in(Path(output), cases) as written:
            return written.finish(evaluation.evaluate(cases, protocol, on_details=written.on_details))
    if output is not None:
        raise UsageError("output needs files or folders of real and synthetic volumes; write them with write_nifti")
    (_, true), (_, made) = image_of(real), image_of(synthetic)
    region = None if mask is None else image_of(mask)[1]
    known = protocol or evaluation.DEFAULT_PROTOCOL[modality_of_values(true.array)]
    return evaluation.Summary(known, {"volume": evaluation.score(true, made, region, known)})


def judge(
    mr: Any, synthetic: Any, uncertainty: Any = None, *, made_from: Literal["mr", "cbct"] = "mr"
) -> dict[str, Any]:
    """Judge a synthetic CT by the MR that it was made from, where there is no true CT.

    Args:
        mr: the source, as for `synthesize`.
        synthetic: HU, on the MR's grid.
        uncertainty: the expected error of each voxel, HU, on that grid.
        made_from: what the source is, MR or CBCT.

    Returns:
        `verdict` (`grade`: `no finding`, `check` or `do not use`; `score`, larger is worse; `reasons`), `measures` and
        `uncertainty` by region, by tissue and at the outline. No finding is not an approval.

    Raises:
        GridMismatch: if the grids differ.
        WrongModality: if the first is not what the second was made from, or the second no CT.
    """
    from medcycle.evaluation.verdicts import require_source_and_ct
    from medcycle.evaluation.without_reference import assess_without_reference

    (source, first), (made, second) = image_of(mr), image_of(synthetic)
    require_source_and_ct(first, second, source.path, made.path, of_cbct=made_from == "cbct")
    expected = None if uncertainty is None else image_of(uncertainty)[1]
    return assess_without_reference(first, second, uncertainty=expected)
