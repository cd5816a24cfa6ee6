"""A module of 3D Slicer: synthetic CT of a loaded MR, by an installed medcycle that runs in a process of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import ctk
import qt
import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

EXECUTABLE = "MedcycleSynthesis/Executable"
"""Where Slicer's settings keep the path of the program."""

POLL_MILLISECONDS = 200

CT_WINDOW, CT_LEVEL = 400, 40

UNCERTAINTY_COLOURS = "vtkMRMLColorTableNodeRainbow"

ENCODED = {"PYTHONUTF8": "1", "MEDCYCLE_PROGRESS_SECONDS": "1", "COLUMNS": "200"}
"""What medcycle's environment has beside that of the user."""


def found_executable():
    """The path of `medcycle` on PATH, or an empty string."""
    return shutil.which("medcycle") or ""


def synthesis_arguments(model, source, folder, uncertainty):
    """What comes after `medcycle` on its command line."""
    return ["synthesize", str(model), str(source), str(folder), *(["--uncertainty"] if uncertainty else [])]


def model_names(printed):
    """The names in the table that `medcycle models list` prints."""
    rows = [[cell.strip() for cell in re.split("[│|]", line)] for line in printed.splitlines()]
    return [row[1] for row in rows if len(row) > 2 and re.fullmatch(r"[a-z][a-z0-9-]*", row[1])]


class Job:
    """A command that runs in a process group of its own, while what it prints goes into files of a folder.

    Args:
        command: the program and its arguments.
        folder: for the files.
        environment: variables of the process, beside `ENCODED`.
    """

    def __init__(self, command, folder, environment=None):
        self.folder = Path(folder)
        self.cancelled = False
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if os.name == "nt" else {}
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            try:
                self.process = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env={**(os.environ if environment is None else environment), **ENCODED},
                    start_new_session=os.name != "nt",
                    **own_group,
                )
            except OSError as error:
                reason = error.strerror or error
                raise RuntimeError(f"{command[0]}: can't be started ({reason}); set the path of medcycle") from error

    def _file(self, name):
        return self.folder / f"medcycle.{name}"

    def printed(self, name="out"):
        """What it has printed so far on standard output (`out`) or standard error (`err`)."""
        return self._file(name).read_text(encoding="utf-8", errors="replace")

    @property
    def status(self):
        """The exit status; None while it runs."""
        return self.process.poll()

    @property
    def progress(self):
        """The latest share that it told, in per cent; 0 as long as it told none."""
        told = re.findall(r"^synthesizing (\d+) %", self.printed("err"), flags=re.MULTILINE)
        return int(told[-1]) if told else 0

    @property
    def error(self):
        """The line that says why it failed, or an empty string."""
        if self.cancelled or not self.status:
            return ""
        lines = [line for line in self.printed("err").splitlines() if line.strip()]
        told = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return (told or lines or [f"medcycle ended with status {self.status}"])[-1]

    @property
    def warnings(self):
        """The lines on standard error that tell no progress."""
        lines = self.printed("err").splitlines()
        return [line for line in lines if line.strip() and not re.match(r"(synthesizing \d|error: )", line)]

    def cancel(self, patience=1.0):
        """End it and all that it has started; kill what is there after so many seconds."""
        if self.status is not None:
            return
        self.cancelled = True
        if os.name == "nt":
            subprocess.run(["taskkill", "/T", "/F", "/PID", str(self.process.pid)], check=False, capture_output=True)
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class MedcycleSynthesis(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Synthetic CT (medcycle)"
        parent.categories = ["Image Synthesis"]
        parent.dependencies = []
        parent.contributors = ["the authors of medcycle"]
        parent.helpText = (
            "Makes a synthetic CT of an MR with medcycle. For research only: not for diagnosis or treatment."
        )
        parent.acknowledgementText = ""


class MedcycleSynthesisLogic(ScriptedLoadableModuleLogic):
    """One synthesis at a time: files in a temporary folder, a process, and what comes of it."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.job = None
        self.folder = None

    def begin(self, executable, model, volume, uncertainty=False):
        """Write the volume and start medcycle; raises `RuntimeError` if that can't be done."""
        if self.job:
            raise RuntimeError("a synthesis is running; cancel it first")
        if not executable:
            raise RuntimeError("medcycle isn't on PATH; set its path, or pip install medcycle")
        self.folder = tempfile.mkdtemp(prefix="medcycle-slicer-")
        try:
            source, output = Path(self.folder, "source.nii.gz"), Path(self.folder, "made")
            if not slicer.util.saveNode(volume, str(source)):
                raise RuntimeError(f"{volume.GetName()}: can't be saved in {self.folder}")
            arguments = synthesis_arguments(model, source, output, uncertainty)
            # Slicer's own environment has its libraries in it, which another Python must not load
            self.job = Job([executable, *arguments], self.folder, slicer.util.startupEnvironment())
        except BaseException:
            self.end()
            raise

    def load(self, name, output=None, uncertainty=False):
        """The synthetic CT, put into a volume if one is given, and its uncertainty or None."""
        folder = Path(self.folder, "made", "source")
        made = slicer.util.loadVolume(str(folder / "sct.nii.gz"), {"name": name, "show": False})
        if output:
            output.SetAndObserveImageData(made.GetImageData())
            output.CopyOrientation(made)
            if not output.GetDisplayNode():
                output.CreateDefaultDisplayNodes()
            slicer.mrmlScene.RemoveNode(made)
            made = output
        display = made.GetDisplayNode()
        display.AutoWindowLevelOff()
        display.SetWindowLevel(CT_WINDOW, CT_LEVEL)
        if not uncertainty:
            return made, None
        file = str(folder / "uncertainty.nii.gz")
        expected_error = slicer.util.loadVolume(file, {"name": f"{made.GetName()} expected error", "show": False})
        expected_error.GetDisplayNode().SetAndObserveColorNodeID(UNCERTAINTY_COLOURS)
        return made, expected_error

    def end(self):
        """End the process, if it still runs, and delete the temporary folder."""
        if self.job:
            self.job.cancel()
        self.job = None
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None


class MedcycleSynthesisWidget(ScriptedLoadableModuleWidget):
    """The panel; a timer looks after the process, so that Slicer stays responsive."""

    def setup(self):
        """Make the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = MedcycleSynthesisLogic()
        form = qt.QFormLayout()
        self.layout.addLayout(form)
        self.executable = ctk.ctkPathLineEdit()
        self.executable.currentPath = qt.QSettings().value(EXECUTABLE) or found_executable()
        self.source = self._volume_box(new=False)
        self.model = qt.QComboBox()
        self.model.editable = True
        self.model.addItem("head")
        self.run_folder = qt.QPushButton("Choose a run folder...")
        self.output = self._volume_box(new=True)
        self.uncertainty = qt.QCheckBox("Also the expected error, shown over the CT")
        self.bar, self.status = qt.QProgressBar(), qt.QLabel("For research only: not for diagnosis or treatment.")
        self.status.wordWrap = True
        self.apply, self.cancel = qt.QPushButton("Apply"), qt.QPushButton("Cancel")
        rows = [("medcycle", self.executable), ("MR", self.source), ("Model", self.model), ("", self.run_folder)]
        rows += [("Synthetic CT", self.output), ("", self.uncertainty), ("", self.apply), ("", self.cancel)]
        for label, widget in [*rows, ("", self.bar), ("", self.status)]:
            form.addRow(label, widget)
        self.layout.addStretch(1)
        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_MILLISECONDS)
        self.timer.connect("timeout()", self.on_timer)
        self.apply.connect("clicked()", self.on_apply)
        self.cancel.connect("clicked()", self.on_cancel)
        self.run_folder.connect("clicked()", self.on_run_folder)
        self.executable.connect("currentPathChanged(QString)", lambda _path: self.list_models())
        self.names, self.names_folder = None, None
        self.list_models()
        self._show_running(running=False)

    def _volume_box(self, *, new):
        box = slicer.qMRMLNodeComboBox()
        box.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        box.addEnabled = box.renameEnabled = box.noneEnabled = new
        box.removeEnabled = False
        if new:
            box.noneDisplay = "A new volume"
        box.setMRMLScene(slicer.mrmlScene)
        return box

    def list_models(self):
        """Ask medcycle for the names of its models; the timer reads the answer."""
        self._forget_names()
        if not self.executable.currentPath:
            return
        self.names_folder = tempfile.mkdtemp(prefix="medcycle-slicer-")
        try:
            command = [self.executable.currentPath, "models", "list"]
            self.names = Job(command, self.names_folder, slicer.util.startupEnvironment())
            self.timer.start()
        except RuntimeError as error:
            self._forget_names()
            self.status.text = str(error)

    def _forget_names(self):
        if self.names:
            self.names.cancel()
        if self.names_folder:
            shutil.rmtree(self.names_folder, ignore_errors=True)
        self.names, self.names_folder = None, None

    def on_apply(self):
        """Start, and remember the path of the program."""
        volume = self.source.currentNode()
        if volume is None:
            slicer.util.errorDisplay("choose an MR volume")
            return
        qt.QSettings().setValue(EXECUTABLE, self.executable.currentPath)
        self.wanted = (self.output.currentNode(), self.uncertainty.checked, volume)
        try:
            self.logic.begin(self.executable.currentPath, self.model.currentText, volume, self.uncertainty.checked)
        except RuntimeError as error:
            slicer.util.errorDisplay(str(error))
            return
        self._show_running(running=True)
        self.timer.start()

    def on_cancel(self):
        """End the process; nothing is loaded."""
        self.logic.end()
        self._show_running(running=False)
        self.status.text = "Cancelled."

    def on_run_folder(self):
        """Take a folder as the model."""
        if folder := qt.QFileDialog.getExistingDirectory():
            self.model.setCurrentText(folder)

    def on_timer(self):
        """See how far the processes are."""
        if self.names and self.names.status is not None:
            there = {self.model.itemText(number) for number in range(self.model.count)}
            self.model.addItems([name for name in model_names(self.names.printed()) if name not in there])
            self._forget_names()
        if job := self.logic.job:
            self.bar.value = job.progress
            if job.status is not None:
                self._finish(job)
        if not self.names and not self.logic.job:
            self.timer.stop()

    def _finish(self, job):
        output, uncertainty, volume = self.wanted
        try:
            if job.error:
                raise RuntimeError(job.error)
            made, expected_error = self.logic.load(f"{volume.GetName()} synthetic CT", output, uncertainty)
            self.status.text = "\n".join(job.warnings) or "Done. For research only: not for diagnosis or treatment."
            below, above = (made, expected_error) if expected_error else (volume, made)
            slicer.util.setSliceViewerLayers(background=below, foreground=above, foregroundOpacity=0.5)
        except RuntimeError as error:  # of medcycle, or of Slicer that can't load a file
            self.status.text = str(error)
            slicer.util.errorDisplay(str(error))
        finally:
            self.logic.end()
            self._show_running(running=False)

    def _show_running(self, *, running):
        self.apply.enabled, self.cancel.enabled, self.bar.visible = not running, running, running

    def cleanup(self):
        """End what runs, when the module is unloaded."""
        self.timer.stop()
        self.logic.end()
        self._forget_names()


class MedcycleSynthesisTest(ScriptedLoadableModuleTest):
    """The test that Slicer's "Reload and Test" runs; it needs no medcycle."""

    def runTest(self):  # noqa: N802 - Slicer's name for it
        """Run all."""
        self.test_a_process()

    def test_a_process(self):
        """A process that tells how far it is, and fails."""
        script = "import sys; print('synthesizing 40 % x', file=sys.stderr); sys.exit('error: no body found')"
        with tempfile.TemporaryDirectory() as folder:
            # not sys.executable, which in Slicer is Slicer itself
            job = Job([shutil.which("PythonSlicer") or sys.executable, "-c", script], folder)
            job.process.wait(60)
            assert (job.progress, job.error) == (40, "no body found")
        self.delayDisplay("Test passed")
