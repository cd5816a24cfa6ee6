"""The commands that score: `evaluate` and `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medcycle.cli.parameters import CtOffset, KeepGoing, Part
from medcycle.cli.say import say
from medcycle.errors import UsageError

if TYPE_CHECKING:
    from medcycle.evaluation.cases import Case
    from medcycle.evaluation.details import DetailOptions
    from medcycle.evaluation.tables import EvaluationFolder
    from medcycle.shards import Shard

__all__ = ["compare", "evaluate"]


def evaluate(  # noqa: PLR0913, PLR0917 - the command's options
    synthetic: Annotated[Path, typer.Option(help="The synthetic volume, or the folder that `synthesize` wrote.")],
    output: Annotated[Path, typer.Option(help="Folder for the scores and the details of each case.")],
    real: Annotated[Path | None, typer.Option(help="The true volume, or a folder of cases.")] = None,
    mr: Annotated[
        Path | None,
        typer.Option(help="The MR it was made from, or a folder of cases: without --real, the CT is judged by it."),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Mask or folder of masks; by default the body in the true volume.")
    ] = None,
    field_of_view: Annotated[
        Path | None, typer.Option(help="Mask or folder of masks of where the true volume is valid.")
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="Mask or folder of masks that beams are aimed at, for water-equivalent depths.")
    ] = None,
    real_labels: Annotated[
        Path | None, typer.Option(help="Segmentation of the true CT, as TotalSegmentator writes it.")
    ] = None,
    synthetic_labels: Annotated[Path | None, typer.Option(help="Segmentation of the synthetic CT.")] = None,
    anatomy: Annotated[
        Literal["hn", "th", "ab"] | None,
        typer.Option(help="Average over SynthRAD2025's structures of head and neck, thorax or abdomen."),
    ] = None,
    density: Annotated[
        Path | None, typer.Option(metavar="CSV", help="The scanner's table of HU and relative electron density.")
    ] = None,
    tolerances: Annotated[
        Path | None, typer.Option(metavar="YAML", help="Limits to judge the results by, instead of the default ones.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="For CT: medcycle, synthrad2023, synthrad2025 or synthrad2025_container. For MR: mr."),
    ] = None,
    modality: Annotated[
        Literal["auto", "ct", "mr"],
        typer.Option(help="Modality of the volumes; auto detects it from the first true one."),
    ] = "auto",
    brief: Annotated[bool, typer.Option("--brief", help="Only the protocol's metrics: faster.")] = False,
    ct_offset: CtOffset = 0.0,
    shard: Part = None,
    keep_going: KeepGoing = False,
) -> None:
    """Score synthetic volumes against the true ones.

    Without true CT, synthetic CT are judged by their MR. With --shard, the process that is done last writes the tables.
    With --keep-going, real volumes without a synthetic one are failed cases, which `summary.json` lists.
    """
    from medcycle.cli.printing import print_summary, print_verdicts
    from medcycle.evaluation import scoring
    from medcycle.evaluation.cases import match_cases
    from medcycle.evaluation.verdicts import judge_cases
    from medcycle.io.pictures import holds_pictures
    from medcycle.synthesis.pseudonyms import own_names

    of_details: dict[str, object] = {
        "--target": target,
        "--real-labels": real_labels,
        "--anatomy": anatomy,
        "--density": density,
        "--tolerances": tolerances,
    }
    of_truth: dict[str, object] = {
        "--mask": mask,
        "--field-of-view": field_of_view,
        "--protocol": protocol,
        "--brief": brief or None,
    }
    _require_fitting(real, brief, of_truth, of_details, (real_labels, synthetic_labels))
    if real and holds_pictures(real):
        _score_pictures(real, synthetic, output, of_truth | of_details | {"--shard": shard}, keep_going=keep_going)
        return
    names, lenient = own_names(synthetic), keep_going or shard is not None
    how = {name: str(value) for name, value in (of_details | of_truth | {"ct_offset": ct_offset}).items()}
    if real:
        labels = (real_labels, synthetic_labels) if real_labels and synthetic_labels else None
        options = None if brief else _options(anatomy, density, tolerances)
        matched = match_cases(
            real,
            synthetic,
            mask,
            names,
            field_of_view=field_of_view,
            source=mr,
            target=target,
            labels=labels,
            keep_going=keep_going,
        )
        with _place(output, matched, shard, how) as written:
            summary = scoring.evaluate(
                written.cases,
                protocol,
                modality=None if modality == "auto" else modality,
                ct_offset=ct_offset,
                details=options,
                on_details=None if brief else written.on_details,
                may_all_fail=lenient,
            )
            summary = written.finish(summary, with_details=not brief)
        print_summary(summary)
    elif mr:
        matched = match_cases(mr, synthetic, None, names, keep_going=keep_going)
        with _place(output, matched, shard, how) as written:
            judged = judge_cases(written.cases, on_details=written.on_details, may_all_fail=lenient)
            summary = written.finish(judged)
        print_verdicts(summary)
    else:
        raise UsageError("nothing to compare with; give the true volumes with --real, or else the MR with --mr")
    if not written.is_finished:
        say(f"shard {shard} is done; the process that is done last writes the tables of all {len(matched)} cases")
        return
    _say_written(output, brief=brief)
    if not keep_going:
        summary.require_all()


def _require_fitting(
    real: Path | None,
    brief: bool,
    of_truth: Mapping[str, object],
    of_details: Mapping[str, object],
    labels: tuple[Path | None, Path | None],
) -> None:
    """Raise `UsageError` for options that exclude each other, or need others."""
    if bool(labels[0]) != bool(labels[1]):
        raise UsageError("--real-labels and --synthetic-labels go together; give both")
    if not real:
        _require_none_given({**of_truth, **of_details}, "needs the true volumes; add --real, or leave it out")
    if brief:
        _require_none_given(of_details, "has no effect with --brief; leave one of them out")


def _score_pictures(
    real: Path, synthetic: Path, output: Path, of_scans: Mapping[str, object], *, keep_going: bool
) -> None:
    from medcycle.cli.printing import print_summary
    from medcycle.evaluation.pictures import score_pictures
    from medcycle.evaluation.tables import require_folder, write_tables

    _require_none_given(of_scans, "is for scans, and --real holds pictures; leave it out")
    require_folder(output)
    summary = score_pictures(real, synthetic)
    write_tables(summary, output)
    print_summary(summary)
    _say_written(output, brief=True)
    if not keep_going:
        summary.require_all()


def _say_written(output: Path, *, brief: bool) -> None:
    say(f"wrote {output / 'cases.csv'} and {output / 'summary.json'}")
    if not brief:
        say(f"details of each case are in {output / 'cases'}; next: medcycle report {output} --output report.html")


def _place(
    output: Path, cases: Sequence[Case], shard: Shard | None, how: Mapping[str, str]
) -> AbstractContextManager[EvaluationFolder]:
    """What an evaluation is written to, whose cases are all or those of a shard."""
    from medcycle.evaluation.parts import shard_in
    from medcycle.evaluation.tables import evaluation_in

    return shard_in(output, cases, shard, how) if shard else evaluation_in(output, cases)


def _require_none_given(options: Mapping[str, object], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} {why}")


def _options(anatomy: Literal["hn", "th", "ab"] | None, density: Path | None, tolerances: Path | None) -> DetailOptions:
    from medcycle.evaluation.density import read_table, table
    from medcycle.evaluation.details import DetailOptions
    from medcycle.evaluation.tolerances import read_tolerances

    return DetailOptions(
        tolerances=read_tolerances(tolerances),
        hu_table=read_table(density) if density else table("generic"),
        anatomy=anatomy,
    )


def compare(
    evaluations: Annotated[
        list[Path], typer.Argument(metavar="EVALUATION...", help="Folders that `evaluate` wrote, one for each model.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the tables.")],
) -> None:
    """Compare two or more models on the same patients."""
    from medcycle.cli.printing import print_differences
    from medcycle.evaluation.comparison import compare_evaluations, write_comparison

    found = compare_evaluations(evaluations)
    write_comparison(found, output)
    print_differences(found.differences())
    say(f"wrote {output / 'comparison.md'}, and the same as .csv, .json and .tex")
