"""The commands that score: `evaluate` and `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medcycle.cli.parameters import AsJson, CtOffset, KeepGoing, Part
from medcycle.cli.say import answer_json, say, say_written
from medcycle.errors import UsageError

if TYPE_CHECKING:
    from medcycle.evaluation.cases import Case
    from medcycle.evaluation.details import DetailOptions
    from medcycle.evaluation.tables import EvaluationFolder, Summary
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
    as_json: AsJson = False,
) -> None:
    """Score synthetic volumes against the true ones.

    Without true CT, synthetic CT are judged by their MR. With --shard, the process that is done last writes the tables.
    With --keep-going, real volumes without a synthetic one are failed cases, which `summary.json` lists; lack of memory
    is still an error.
    """
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
        _score_pictures(
            real, synthetic, output, of_truth | of_details | {"--shard": shard}, keep_going=keep_going, as_json=as_json
        )
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
    elif mr:
        matched = match_cases(mr, synthetic, None, names, keep_going=keep_going)
        with _place(output, matched, shard, how) as written:
            judged = judge_cases(written.cases, on_details=written.on_details, may_all_fail=lenient)
            summary = written.finish(judged)
    else:
        raise UsageError("nothing to compare with; give the true volumes with --real, or else the MR with --mr")
    _show(summary, as_json=as_json)
    if not written.is_finished:
        told = f"shard {shard} is done; the process that is done last writes the tables of all {len(matched)} cases"
        say(told, err=as_json)
        return
    if not as_json:
        _tell_files(output, brief=brief)
    summary.require_all(but_refused=keep_going)


def _show(summary: Summary, *, as_json: bool) -> None:
    from medcycle.cli.printing import print_summary, print_verdicts

    if as_json:
        answer_json(summary.to_json())
    elif summary.verdicts:
        print_verdicts(summary)
    else:
        print_summary(summary)


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
    real: Path, synthetic: Path, output: Path, of_scans: Mapping[str, object], *, keep_going: bool, as_json: bool
) -> None:
    from medcycle.evaluation.pictures import score_pictures
    from medcycle.evaluation.tables import require_folder, write_tables

    _require_none_given(of_scans, "is for scans, and --real holds pictures; leave it out")
    require_folder(output)
    summary = score_pictures(real, synthetic)
    write_tables(summary, output)
    _show(summary, as_json=as_json)
    if not as_json:
        _tell_files(output, brief=True)
    summary.require_all(but_refused=keep_going)


def _tell_files(output: Path, *, brief: bool) -> None:
    details = "" if brief else f", and details of each case to {output / 'cases'}"
    written = f"{output / 'cases.csv'} and {output / 'summary.json'}{details}"
    say_written(written, f"medcycle report {output} --output report.html")


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
    as_json: AsJson = False,
) -> None:
    """Compare two or more models on the same patients."""
    from medcycle.cli.printing import print_differences
    from medcycle.evaluation.comparison import compare_evaluations, write_comparison

    found = compare_evaluations(evaluations)
    write_comparison(found, output)
    if as_json:
        answer_json([one._asdict() for one in found.differences()])
        return
    print_differences(found.differences())
    written = f"{output / 'comparison.md'}, and the same as .csv, .json and .tex"
    say_written(written, f"medcycle report {' '.join(map(str, evaluations))} --output report.html")
