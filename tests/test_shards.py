"""Parts of a cohort that several processes work on: together they give what one gives."""

import filecmp
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medcycle.cli.main import execute
from medcycle.cohort.cohort import find_cohort
from medcycle.cohort.sharding import prepare_shard
from medcycle.config import DataConfig
from medcycle.errors import InUse, UsageError
from medcycle.io.locks import locked
from medcycle.phantom import write_cohort
from medcycle.shards import Shard

CONFIG = DataConfig(spacing=(4.0, 4.0, None), patch_size=(64, 64))


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MR and CT of five patients on one grid each."""
    folder = tmp_path_factory.mktemp("scans")
    write_cohort(folder, patients=0, paired_cases=5, spacing=(5.0, 5.0, 8.0))
    return folder / "test"


@pytest.mark.parametrize("of", [1, 2, 7, 16])
def test_every_case_is_in_one_shard(of: int) -> None:
    names = [f"case{number:05d}" for number in range(2000)] + ["Müller", "", "a b"]
    parts = [Shard(number, of).part((name, name) for name in names) for number in range(1, of + 1)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert min(map(len, parts)) > 0.7 * len(names) / of


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/5", "١/٣", "1/1000000"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="as in 3/16"):
        Shard.parse(text)
    assert Shard.parse(" 3/16 ") == Shard(3, 16)


def same_files(one: Path, other: Path, wanted: Callable[[Path], bool]) -> bool:
    """Whether two folders hold the same of what is wanted."""
    found = [sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file() and wanted(p)) for root in (one, other)]
    return found[0] == found[1] != [] and all(filecmp.cmp(one / p, other / p, shallow=False) for p in found[0])


def test_a_store_of_shards_is_that_of_one_process(scans: Path, tmp_path: Path, capfd) -> None:
    call = ["prepare", "--mr", str(scans / "mr"), "--ct", str(scans / "ct"), "--config", "demo", "--workers", "1"]
    call += ["--set=data.spacing=[5, 5, null]"]
    assert execute([*call, str(tmp_path / "whole")]) == 0
    capfd.readouterr()
    for number in (2, 3, 1):
        assert execute([*call, str(tmp_path / "parts"), "--shard", f"{number}/3"]) == 0
        said = capfd.readouterr().out
        assert ("the process that is done last finishes" in said) == (number != 1)
    assert "5 MR and 5 CT prepared" in said
    assert same_files(
        tmp_path / "whole",
        tmp_path / "parts",
        lambda path: path.suffix in {".json", ".npy"} and path.parent.name != ".shards",
    )


def test_a_shard_has_one_process(scans: Path, tmp_path: Path) -> None:
    cohort, store = find_cohort(scans / "mr", scans / "ct"), tmp_path / "store"
    assert prepare_shard(cohort, store, CONFIG, Shard(1, 3), workers=1) is None
    with locked(store / "shard-2-of-3"), pytest.raises(InUse):
        prepare_shard(cohort, store, CONFIG, Shard(2, 3), workers=1)
    assert prepare_shard(cohort, store, CONFIG, Shard(2, 3), workers=1) is None
    with pytest.raises(UsageError, match="nyul"):
        prepare_shard(cohort, store, CONFIG.model_copy(update={"mr_normalisation": "nyul"}), Shard(1, 3))


@pytest.mark.slow
def test_shards_of_other_scans_are_not_merged(scans: Path, tmp_path: Path) -> None:
    cohort, store = find_cohort(scans / "mr", scans / "ct"), tmp_path / "store"
    assert prepare_shard(cohort, store, CONFIG, Shard(1, 2), workers=1) is None
    (store / ".shards" / "2-of-2.json").write_text('"of other scans"')
    assert prepare_shard(cohort, store, CONFIG, Shard(1, 2), workers=1) is None
    assert prepare_shard(cohort, store, CONFIG, Shard(2, 2), workers=1)


@pytest.mark.slow
def test_outputs_of_shards_are_those_of_one_process(scans: Path, checkpoint: Path, tmp_path: Path, capfd) -> None:
    call = ["synthesize", str(checkpoint), str(scans / "mr")]
    assert execute([*call, str(tmp_path / "whole")]) == 0
    for number in (1, 2):
        assert execute([*call, str(tmp_path / "parts"), "--shard", f"{number}/2"]) == 0
    assert same_files(tmp_path / "whole", tmp_path / "parts", lambda path: path.name == "sct.nii.gz")
    with locked(tmp_path / "parts" / "shard-1-of-2"):
        assert execute([*call, str(tmp_path / "parts"), "--shard", "1/2"]) == 1
    assert execute([*call, str(tmp_path / "one.nii.gz"), "--shard", "1/2"]) == 2
    assert execute([*call, str(tmp_path / "parts"), "--shard", "3/2"]) == 2
    assert "as in 3/16" in capfd.readouterr().err


@pytest.mark.parametrize("brief", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_scores_of_shards_are_those_of_one_process(scans: Path, tmp_path: Path, capfd, brief: bool) -> None:
    call = ["evaluate", "--real", str(scans / "ct"), "--synthetic", str(scans / "ct"), *["--brief"] * brief]
    assert execute([*call, "--output", str(tmp_path / "whole")]) == 0
    capfd.readouterr()
    for number in (4, 1, 2, 3):
        assert execute([*call, "--output", str(tmp_path / "parts"), "--shard", f"{number}/4"]) == 0
        assert ("is done; the process" in capfd.readouterr().out) == (number != 3)
    wanted = {"summary.json", "cases.csv", "summary.md", "summary.tex", "inputs.json"}
    assert same_files(tmp_path / "whole", tmp_path / "parts", lambda path: path.name in wanted)
    names = [sorted(path.name for path in (tmp_path / one / "cases").glob("*")) for one in ("whole", "parts")]
    assert names[0] == names[1]
    assert bool(names[0]) != brief


@pytest.mark.slow
def test_a_shard_whose_cases_all_fail_does_not_stop_the_others(scans: Path, tmp_path: Path) -> None:
    ct = tmp_path / "ct"
    ct.mkdir()
    for path in (scans / "ct").iterdir():
        (ct / path.name).write_bytes(path.read_bytes())
    torn = next(path for path in sorted(ct.iterdir()))
    torn.write_bytes(torn.read_bytes()[:1000])
    call = ["evaluate", "--real", str(scans / "ct"), "--synthetic", str(ct), "--brief"]
    codes = [execute([*call, "--output", str(tmp_path / "out"), "--shard", f"{number}/9"]) for number in range(1, 10)]
    assert 1 in codes
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(told["failed"]) == [torn.name.removesuffix(".nii.gz")]
    assert len(told["cases"]) == 4


def test_one_case_in_two_shards_is_finished_by_the_last_one(scans: Path, tmp_path: Path, capfd) -> None:
    ct = next((scans / "ct").iterdir())
    own = next(number for number in (1, 2) if Shard(number, 2).has(ct.name.removesuffix(".nii.gz")))
    call = ["evaluate", "--real", str(ct), "--synthetic", str(ct), "--brief", "--output", str(tmp_path / "out")]
    assert execute([*call, "--shard", f"{own}/2"]) == 0
    assert "is done; the process" in capfd.readouterr().out
    assert not (tmp_path / "out" / "cases.csv").exists()
    assert execute([*call, "--shard", f"{3 - own}/2"]) == 0
    assert (tmp_path / "out" / "cases.csv").read_text().count("\n") == 2


def test_a_report_is_of_all_cases(scans: Path, checkpoint: Path, tmp_path: Path, capfd) -> None:
    call = ["synthesize", str(checkpoint), str(scans / "mr"), str(tmp_path / "out"), "--report", "--shard", "1/2"]
    assert execute(call) == 2
    assert "leave out --shard" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
