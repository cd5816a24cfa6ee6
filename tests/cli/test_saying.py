"""What commands say besides their results, to people and to scripts."""

import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medcycle.cli.main import EXAMPLES, execute
from medcycle.cli.say import answer_json
from medcycle.evaluation import scoring
from medcycle.evaluation.cases import Case
from medcycle.progress import is_quiet

CALL_WRONG = 2


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("trian", "Did you mean 'train'?"),
        ("config shw", "Did you mean 'show'?"),
        ("train demo --metod cut", "did you mean --method"),
        ("runs . --quite", "did you mean --quiet?"),
        ("train demo --method cutt", "did you mean cut?"),
        ("synthesize head . out --format dicm", "did you mean dicom?"),
        ("synthesize head . out --format x", "'nifti', 'dicom', 'both'. See"),
        ("synthesize head . out --shifts 9", "4. See"),
        ("synthesize haed . out", "did you mean head?"),
        ("models info haed", "did you mean head?"),
        ("synthesize head . out --format dicom --deidentify --retain datez", "did you mean dates?"),
        ("config show head_mr", "did you mean head_mr_ct or head_ct_only?"),
        ("config show demo --set trainig.max_steps=1", "did you mean training?"),
        ("config show demo --set training.max_step=1", "did you mean training.max_steps?"),
        ("config show demo --set network.name=unett", "did you mean unet?"),
    ],
)
def test_near_names(call: str, told: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(call.split()) == CALL_WRONG
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line
    assert "Value error" not in line


@pytest.mark.parametrize("place", [0, 1, 4])
def test_quiet(place: int, checkpoint: Path, cohort: Path, tmp_path: Path, capfd) -> None:
    call = ["synthesize", str(checkpoint), str(cohort / "mr"), str(tmp_path / "out")]
    assert execute([*call[:place], "--quiet", *call[place:]]) == 0
    said = capfd.readouterr()
    assert said.out == ""
    assert all(line.startswith("warning: ") for line in said.err.splitlines())
    assert not is_quiet()
    assert execute(call) == 0
    assert "wrote 2 cases" in capfd.readouterr().out


def test_results_and_errors_are_not_hushed(capsys) -> None:
    assert execute(["config", "show", "demo", "--quiet"]) == 0
    assert "method:" in capsys.readouterr().out
    assert execute(["models", "info", "head", "--quiet"]) == 0
    assert capsys.readouterr().out
    assert execute(["models", "info", "nothing", "--quiet"]) == CALL_WRONG
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("command", [*([name] for name in EXAMPLES), ["config", "list"], ["models", "info"]])
def test_every_help_tells_of_common_options(command: list[str], capsys) -> None:
    assert execute([*command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "--quiet" in told
    assert "--debug" in told


@pytest.mark.parametrize(
    "call", ["models list", "models info head", "config list", "config show demo", "config schema"]
)
def test_json_for_scripts(call: str, capsys) -> None:
    assert execute([*call.split(), *(["--json"] if call != "config schema" else [])]) == 0
    assert json.loads(capsys.readouterr().out)


def test_the_last_line_says_what_was_written_and_what_is_next(
    checkpoint: Path, cohort: Path, tmp_path: Path, monkeypatch, capfd
) -> None:
    monkeypatch.chdir(tmp_path)
    mr, ct = cohort / "test" / "mr", cohort / "test" / "ct"
    steps = {
        f"synthesize {checkpoint} {mr} out": ("wrote out/case000", "medcycle evaluate"),
        f"evaluate --real {ct} --synthetic out --output scores/a": ("wrote scores/a/cases.csv", "medcycle report"),
        f"evaluate --real {ct} --synthetic out --output scores/b --brief": ("wrote scores/b", "medcycle report"),
        "compare scores/a scores/b --output compared": ("wrote compared/comparison.md", "medcycle report"),
        "report scores/a --output page.html": ("wrote page.html (", "open it"),
        "convert out/case000/sct.nii.gz mu --to mu-map": ("wrote mu/", ""),
        "to-dicom out/case000/sct.nii.gz dicom": ("wrote 45 files to dicom", ""),
        "models export head model": ("wrote head.safetensors, head.json and", "medcycle synthesize"),
        f"inspect {cohort} --json found.json": ("next: ", "medcycle train auto"),
    }  # fmt: skip
    for call, (written, following) in steps.items():
        assert execute(call.split()) == 0
        last = capfd.readouterr().out.splitlines()[-1]
        assert last.startswith(written), call
        assert following in last
    for call in (f"inspect {cohort} --json -", *(f"{call} --json" for call in steps if call[:4] in ("eval", "comp"))):
        assert execute(call.split()) == 0
        assert json.loads(capfd.readouterr().out)


def on_a_terminal(**environment: str) -> bytes:
    """What a failing command prints there."""
    main, other = pty.openpty()
    call = [sys.executable, "-m", "medcycle", "models", "info", "nothing"]
    kept = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    subprocess.run(call, stderr=other, check=False, env=kept | {"TERM": "xterm"} | environment)
    os.close(other)
    return os.read(main, 10_000)


def test_colours_are_for_terminals_alone() -> None:
    assert on_a_terminal().startswith(b"\x1b[31merror:\x1b[0m nothing: ")
    assert on_a_terminal(NO_COLOR="1").startswith(b"error: nothing: ")
    call = [sys.executable, "-m", "medcycle", "models", "info", "nothing"]
    assert subprocess.run(call, check=False, capture_output=True).stderr.startswith(b"error: nothing: ")


def test_nothing_is_sent(checkpoint: Path, cohort: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    def refuse(*_given: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    made, test = str(tmp_path / "out"), cohort / "test"
    assert execute(["synthesize", str(checkpoint), str(test / "mr"), made]) == 0
    call = ["evaluate", "--real", str(test / "ct"), "--synthetic", made, "--output", str(tmp_path / "scores")]
    assert execute(call) == 0
    assert execute(["report", str(tmp_path / "scores"), "--output", str(tmp_path / "page.html")]) == 0


@pytest.fixture
def scored_with_too_little_memory(cohort: Path, tmp_path: Path, monkeypatch) -> list[str]:
    """A call that scores two CT by themselves, of which memory is too small for one."""
    compare = scoring._compared

    def too_large(case: Case, *given: Any) -> object:
        if case.name == "ct001":
            raise MemoryError("8 GiB")
        return compare(case, *given)

    monkeypatch.setattr(scoring, "_compared", too_large)
    ct = str(cohort / "ct")
    return [
        "evaluate",
        "--real",
        ct,
        "--synthetic",
        ct,
        "--output",
        str(tmp_path / "scores"),
        "--brief",
        "--keep-going",
    ]


def test_lack_of_memory_is_an_error_with_keep_going(
    scored_with_too_little_memory: list[str], tmp_path: Path, capfd
) -> None:
    assert execute(scored_with_too_little_memory) == 1
    assert "error: 1 of 2 cases not scored" in capfd.readouterr().err
    told = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert list(told["cases"]) == ["ct000"]
    assert list(told["failed"]) == told["faults"] == ["ct001"]
    for number in (1, 2):
        status = execute([*scored_with_too_little_memory, "--shard", f"{number}/2"])
    assert status == 1
    assert json.loads((tmp_path / "scores" / "summary.json").read_text())["faults"] == ["ct001"]


def test_no_case_scored_makes_no_empty_table(cohort: Path, tmp_path: Path, capfd) -> None:
    torn, made = tmp_path / "torn", tmp_path / "made"
    for folder in (torn, made):
        folder.mkdir()
        (folder / "a.nii.gz").write_bytes((cohort / "ct" / "ct000.nii.gz").read_bytes()[:2000])
    scores, page = tmp_path / "scores", tmp_path / "page.html"
    call = ["evaluate", "--real", str(torn), "--synthetic", str(made), "--output", str(scores), "--keep-going"]
    assert execute(call) == 0
    assert "no case scored; 1 failed" in capfd.readouterr().out
    assert execute(["report", str(scores), "--output", str(page)]) == 0
    text = page.read_text()
    assert "0 scored, 1 not" in text
    assert "Table of cases" not in text
    assert '<ul class="figures"></ul>' not in text


def test_resumed_work_is_told(cohort: Path, tmp_path: Path, capfd) -> None:
    ct, store = str(cohort / "ct"), str(tmp_path / "store")
    call = ["prepare", store, "--ct", ct, "--config", "head_ct_only", "--set=data.spacing=[4,4,null]"]
    call += ["--set=data.deformed_ct=0"]
    for turn in range(2):
        assert execute(call) == 0
        assert ("is kept" in capfd.readouterr().err) == (turn == 1)
    test = cohort / "test"
    call = ["register", "--mr", str(test / "mr"), "--ct", str(test / "ct"), str(tmp_path / "registered"), "--no-model"]
    for turn in range(2):
        assert execute(call) == 0
        assert ("1 of 1 were registered by an earlier call" in capfd.readouterr().err) == (turn == 1)


def test_what_json_has_no_number_for_is_null(capsys) -> None:
    answer_json({"loss": float("nan"), "psnr": [float("inf"), 2.5], "folder": Path("run")})
    assert json.loads(capsys.readouterr().out) == {"loss": None, "psnr": [None, 2.5], "folder": "run"}
