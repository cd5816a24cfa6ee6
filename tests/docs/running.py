"""Runs the blocks of a page, one after the other, in a folder where the pages' data appear when they are asked for."""

import ast
import itertools
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import medcycle as mc
from medcycle.cli.main import execute
from tests.docs.blocks import ROOT, Block
from tests.docs.data import SHORT, SMALL, Data, options

OUTPUTS = {"synthesize", "to-dicom", "convert", "export", "register", "prepare"}
"""Commands whose last arguments without an option are what they write."""

WRITTEN = ("--output", "--json", "--deidentify-key")

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


class Page:
    """A folder in which the blocks of a page run.

    Args:
        folder: the working directory.
        data: makes what is asked for.
        patch: undoes what is done to the environment.
    """

    def __init__(self, folder: Path, data: Data, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.data, self.patch = folder, data, patch
        self.names: dict[str, Any] = {}
        self.earlier: set[Path] = set()
        patch.chdir(folder)
        patch.setattr(mc, "train", self._train(mc.train))

    def write(self, block: Block) -> None:
        """Write the file that a block is, if it has a title."""
        if block.title:
            (self.folder / block.title).write_text(block.code, encoding="utf-8")

    def run(self, block: Block) -> None:
        """Run a block; raises `AssertionError`, or what the block raises."""
        self.earlier = set(self.folder.rglob("*"))
        if block.kind == "bash" and "in a shell" in block.note:
            self._shell(block)
            return
        match block.kind:
            case "bash":
                for line in block.lines():
                    self._line(line, block.place)
            case "python":
                self._python(block)
            case "yaml":
                assert isinstance(yaml.safe_load(block.code), dict), block.place
            case "json":
                json.loads(block.code)
            case "text" | "csv" | "ini":
                pass
            case other:
                raise AssertionError(f"{block.place}: nothing runs {other}; say why not in a comment before it")

    def _line(self, line: str, place: str) -> None:
        words = shlex.split(line, comments=True)
        match words:
            case []:
                pass
            case ["medcycle", *given]:
                status = execute(self.prepared(given))
                assert status == 0, f"{place}: `{line}` ended with {status}"
            case ["python", script, *given]:
                self._script(script, given)
            case ["pip", "install", *given]:
                named = re.findall(r"medcycle\[([\w,]+)\]", " ".join(given))
                assert {extra for names in named for extra in names.split(",")} <= set(EXTRAS), place
            case ["make", target]:
                assert target in TARGETS, f"{place}: no target {target}"
            case ["source", ".venv/bin/activate"]:
                pass
            case _:
                raise AssertionError(f"{place}: nothing runs `{line}`; say why not in a comment before the block")

    def prepared(self, given: list[str]) -> list[str]:
        """A call with its inputs put into the folder, and made short."""
        command, *rest = given
        written = {after for option, after in itertools.pairwise(rest) if option in WRITTEN}
        plain = [word for before, word in itertools.pairwise(["", *rest]) if not before.startswith("--")]
        own = [word for word in plain if not word.startswith("--")]
        if command in OUTPUTS and own:
            written.add(own[-1])
        for word in written - ({own[-1]} if command == "prepare" else set()):
            self._make_room(word)
        for word in rest:
            if word not in written:
                self.data.put(word, self.folder)
        if command == "train":
            one_cbct = ["--set=data.simulated_cbct=1"] if "cbct" in given else []
            return [*given, "--device=cpu", *options(SHORT | SMALL), *one_cbct]
        if command == "adapt":
            return [*given, "--set=training.max_steps=2"]
        if command == "demo":
            return [*given, "--minutes=0.01"]
        return given

    def _make_room(self, name: str) -> None:
        """Blocks are alternatives: what an earlier one wrote under the same name goes."""
        for path in (self.folder / name, self.folder / f"{name}-report"):
            if path in self.earlier and path.is_dir():
                shutil.rmtree(path)
            elif path in self.earlier:
                path.unlink(missing_ok=True)

    def _script(self, script: str, given: list[str]) -> None:
        for word in given:
            self.data.put(word, self.folder)
        path = script if (self.folder / script).exists() else str(ROOT / script)
        with self.patch.context() as patch, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*srun")  # Lightning's, where Slurm is installed
            patch.setattr(sys, "argv", [script, *given])
            runpy.run_path(path, run_name="__main__")

    def _python(self, block: Block) -> None:
        if block.title:  # which a later block runs
            return
        tree = ast.parse(block.code)
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        written = {
            text for call in calls if ast.unparse(call.func).split(".")[-1].startswith("write") for text in _texts(call)
        }
        for text in _texts(tree) - written:
            self.data.put(text, self.folder)
        exec(compile(tree, block.place, "exec"), self.names)

    def _shell(self, block: Block) -> None:
        """Where the shell itself is what is shown: `medcycle` is the one that is tested."""
        for word in shlex.split(block.code, comments=True):
            if word in ("MR_FOLDER", "CT_FOLDER"):
                self.data.put(word, self.folder)
        define = f'medcycle() {{ {shlex.quote(sys.executable)} -m medcycle "$@"; }}\n'
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", define + block.code],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"

    @staticmethod
    def _train(train: Callable[..., Any]) -> Callable[..., Any]:
        def short(*given: Any, settings: Any = None, **named: Any) -> Any:
            return train(*given, settings=dict(settings or {}) | SHORT | SMALL, **named)

        return short


def _texts(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
