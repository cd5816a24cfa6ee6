"""Synthetic CT judged by what they were made from, for a report on them."""

from __future__ import annotations

from pathlib import Path

from medcycle.errors import EmptyFolder
from medcycle.evaluation.cases import Case, uncertainty_of, volume_of
from medcycle.evaluation.tables import Summary, write_evaluation, writer_of_details
from medcycle.evaluation.verdicts import judge_cases
from medcycle.io.discover import Source, survey
from medcycle.synthesis.pseudonyms import own_names
from medcycle.synthesis.runner import is_file

__all__ = ["judge_synthesis", "report_folder"]


def report_folder(output: Path) -> Path:
    """Where the report on a synthesis lies: beside it, as the folder itself holds cases and nothing else."""
    return output.absolute().with_name(f"{output.name.removesuffix('.nii.gz')}-report")


def judge_synthesis(source: Path, output: Path, folder: Path) -> Summary:
    """Judge what `medcycle synthesize` made, and write an evaluation without a true CT.

    Args:
        source: the MR that was given to it: a volume, a series, or a folder of them.
        output: what it wrote: a folder of cases, or a file.
        folder: where to write the evaluation.

    Raises:
        EmptyFolder: if none of the MR has a synthetic CT there.
        DataError: if no case can be judged.
    """
    codes = {own: code for code, own in own_names(output).items()}
    found = [_case(one, output, codes.get(one.name)) for one in survey(source).sources]
    cases = [case for case in found if case]
    if not cases:
        raise EmptyFolder(f"{output}: no synthetic CT of {source}; give the MR that it was made from")
    summary = judge_cases(cases, on_details=writer_of_details(folder))
    write_evaluation(summary, cases, folder)
    return summary


def _case(source: Source, output: Path, code: str | None) -> Case | None:
    name = code or source.name
    made = output if is_file(output) else volume_of(output / name)
    return Case(name, source.path, made, uncertainty=uncertainty_of(made), is_coded=bool(code)) if made else None
