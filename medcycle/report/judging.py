"""Synthetic CT judged by what they were made from, for a report on them."""

from __future__ import annotations

from pathlib import Path

from medcycle.errors import EmptyFolder
from medcycle.evaluation.case_folders import uncertainty_of, volume_of
from medcycle.evaluation.cases import Case
from medcycle.evaluation.tables import Summary, evaluation_in
from medcycle.evaluation.verdicts import judge_cases
from medcycle.io.discover import survey
from medcycle.report.plain import read_part
from medcycle.report.synthesized import DESCRIPTION, described_in

__all__ = ["judge_synthesis", "report_folder"]


def report_folder(output: Path) -> Path:
    """Where the report on a synthesis lies: beside it, as the folder itself holds cases and nothing else."""
    return output.absolute().with_name(f"{output.name.removesuffix('.nii.gz')}-report")


def judge_synthesis(output: Path, folder: Path, source: Path | None = None) -> Summary:
    """Judge what `medcycle synthesize` made, and write an evaluation without a true CT.

    Args:
        output: what it wrote: a folder of cases, or a file.
        folder: where to write the evaluation.
        source: the MR that was given to it: a volume, a series, or a folder of them; None to look where the folders of
            cases say.

    Raises:
        EmptyFolder: if none of the MR has a synthetic CT there.
        DataError: if no case can be judged.
    """
    cases = _cases(output) if source is None else _cases_of(source, output)
    if not cases:
        raise EmptyFolder(f"{output}: no synthetic CT with its MR; give the MR that they were made from with --mr")
    with evaluation_in(folder, cases) as written:
        return written.finish(judge_cases(cases, on_details=written.on_details))


def _cases_of(source: Path, output: Path) -> list[Case]:
    """Of the MR given, those that there is something of."""
    from medcycle.synthesis.pseudonyms import own_names  # which loads PyTorch

    codes = {own: code for code, own in own_names(output).items()}
    found = []
    for one in survey(source).sources:
        name = codes.get(one.name, one.name)
        made = output if output.is_file() else volume_of(output / name)
        if made:
            found.append(Case(name, one.path, made, uncertainty=uncertainty_of(made), is_coded=one.name in codes))
    return found


def _cases(output: Path) -> list[Case]:
    """Of the cases in a folder, those whose MR is still where it was."""
    found = []
    for place in described_in(output):
        told = read_part(place / DESCRIPTION, "synthesise the case again")
        source, made = told.text("source_path"), volume_of(place)
        if made and source and (place / source).exists():
            found.append(Case(place.name, place / source, made, uncertainty=uncertainty_of(made)))
    return found
