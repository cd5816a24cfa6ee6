"""The architecture: modules import only from layers to their left, and some never import torch."""

import ast
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

PACKAGE = Path(__file__).parents[1] / "medcycle"

LAYERS = [
    {"errors", "processors", "shipped", "tuning", "words"},
    {"isolation", "progress", "shards"},
    {"parallel"},
    {"volume"},
    {"batch", "blank_slices", "intensity", "patch_geometry", "resample"},
    {"body"},
    {"modality"},
    {"io"},
    {"failures", "registration"},
    {"config", "models", "phantom"},
    {"evaluation"},
    {"networks", "losses"},
    {"methods"},
    {"dataset"},
    {"cohort", "simulation"},
    {"planning"},
    {"inference"},
    {"training", "synthesis", "registering", "converting", "dose"},
    {"report", "export", "adapting", "node"},
    {"api"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

LIGHT = [
    *("evaluation.verdicts", "io.dicom.export", "body", "cohort.findings", "api", "models", "report.writing"),
    *("converting", "dose", "node"),
]
"""Modules that load no torch, whatever they import."""

FOREIGN = {"torch", "nn", "functional", "monai", "lightning_fabric"}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} if node.module != "medcycle" else {f"medcycle.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return {name for name in found if name.startswith("medcycle.") and name != "medcycle.__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_come_from_the_left(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert own in RANK, f"{own} has no layer"
    for module in imports(path):
        other = room(module)
        assert other == own or RANK[other] < RANK[own], f"{path.name} ({own}) imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_private_of_pytorch_is_used(path: Path) -> None:
    layer = nn.Conv3d(1, 1, 1)
    private = {name for name in {*dir(layer), *vars(layer)} if name.startswith("_") and not name.startswith("__")}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("nn.") for base in node.bases):
            parts = [*ast.walk(node)][1:]
            used = {part.attr if isinstance(part, ast.Attribute) else getattr(part, "name", "") for part in parts}
            assert not used & private
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert ast.unparse(node.value).split(".")[0] not in FOREIGN, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in FOREIGN:
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            assert not any(name.startswith("_") for name in names), ast.unparse(node)


def test_every_layer_is_there() -> None:
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in MODULES}
    assert rooms <= set(RANK)
    assert {"errors", "volume", "io", "config", "networks", "methods", "dataset", "training", "cli"} <= rooms


@pytest.mark.parametrize("module", LIGHT)
def test_torch_is_not_imported(module: str) -> None:
    code = f"import sys, medcycle.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_report_is_imported_with_nothing_heavy() -> None:
    heavy = "('torch', 'monai', 'numpy', 'SimpleITK', 'nibabel', 'pydicom')"
    code = f"import sys, medcycle.report; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_inspect_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from medcycle.cli.main import execute; "
        f"status = execute(['inspect', {str(tmp_path)!r}]); sys.exit(10 * status + ('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 10, done.stderr  # 1: the folder is empty


@pytest.mark.parametrize("line", ["medcycle train he", "medcycle synthesize he", "medcycle models info he"])
def test_completion_imports_nothing_heavy(line: str) -> None:
    code = (
        "import sys; from medcycle.cli.main import execute; status = execute([]); "
        "sys.exit(status or any(name in sys.modules for name in ('torch', 'numpy', 'yaml', 'medcycle.config')))"
    )
    asked = {"_MEDCYCLE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, check=False, capture_output=True, env={**os.environ, **asked}, text=True)
    assert done.returncode == 0
    assert "head" in done.stdout


def test_help_takes_less_than_four_tenths_of_a_second() -> None:
    def seconds() -> float:  # of the processor: other work on the machine takes none of it
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "medcycle", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.4


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from medcycle.cli.main import execute; status = execute(['--help']); "
        "sys.exit(status or any(name in sys.modules for name in ('torch', 'monai', 'numpy', 'SimpleITK')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
