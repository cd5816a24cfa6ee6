"""A stand-in of what the module calls of 3D Slicer: attributes, signals that a test sends, NIfTI by nibabel."""

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import TestCase

import nibabel as nib
import numpy as np


class Volume:
    """A volume node, with its display node in one."""

    def __init__(self, name: str, array: Any = None, affine: Any = None) -> None:
        self.name, self.array, self.affine = name, array, affine
        self.window: tuple[float, float] | None = None
        self.colours = ""

    def GetName(self) -> str:
        return self.name

    def GetImageData(self) -> Any:
        return self.array

    def SetAndObserveImageData(self, array: Any) -> None:
        self.array = array

    def CopyOrientation(self, other: "Volume") -> None:
        self.affine = other.affine

    def GetDisplayNode(self) -> "Volume":
        return self

    def AutoWindowLevelOff(self) -> None:
        pass

    def SetWindowLevel(self, window: float, level: float) -> None:
        self.window = (window, level)

    def SetAndObserveColorNodeID(self, name: str) -> None:
        self.colours = name


class Widget:
    """Any widget, layout or timer."""

    def __init__(self, *text: str) -> None:
        self.text = text[0] if text else ""
        self.slots: dict[str, Callable[..., None]] = {}
        self.items: list[str] = []
        self.currentPath, self.currentText, self.node = "", "", None
        self.running, self.checked, self.value = False, False, 0

    def connect(self, signal: str, slot: Callable[..., None]) -> None:
        self.slots[signal] = slot

    def click(self) -> None:
        self.slots["clicked()"]()

    def addItem(self, text: str) -> None:
        self.addItems([text])

    def addItems(self, texts: list[str]) -> None:
        self.items += texts
        self.currentText = self.currentText or self.items[0]

    def itemText(self, number: int) -> str:
        return self.items[number]

    @property
    def count(self) -> int:
        return len(self.items)

    def setCurrentText(self, text: str) -> None:
        self.currentText = text

    def currentNode(self) -> Volume | None:
        return self.node

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def nothing(self, *_: Any) -> None:
        pass

    addLayout = addRow = addStretch = setMRMLScene = setInterval = nothing


class Slicer:
    """The modules `slicer`, `qt`, `ctk`, and what was asked of them."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}
        self.errors: list[str] = []
        self.removed: list[Volume] = []
        self.layers: dict[str, Any] = {}
        names = ("QFormLayout", "QComboBox", "QPushButton", "QCheckBox", "QProgressBar", "QLabel", "QTimer")
        settings = SimpleNamespace(value=self.settings.get, setValue=self.settings.__setitem__)
        self.qt = self._module("qt", QSettings=lambda: settings, **dict.fromkeys(names, Widget))
        self.ctk = self._module("ctk", ctkPathLineEdit=Widget)
        util = SimpleNamespace(
            saveNode=self._save,
            loadVolume=self._load,
            startupEnvironment=lambda: dict(os.environ),
            errorDisplay=self.errors.append,
            setSliceViewerLayers=lambda **layers: self.layers.update(layers),
        )
        scene = SimpleNamespace(RemoveNode=self.removed.append)
        self.slicer = self._module("slicer", util=util, mrmlScene=scene, qMRMLNodeComboBox=Widget)
        self.bases = self._bases()

    def modules(self) -> dict[str, ModuleType]:
        return {
            "slicer": self.slicer,
            "slicer.ScriptedLoadableModule": self.bases,
            "qt": self.qt,
            "ctk": self.ctk,
        }

    def _bases(self) -> ModuleType:
        class Base:
            def __init__(self, parent: Any = None) -> None:
                self.layout = Widget()

            def setup(self) -> None:
                pass

        class Test(TestCase):
            def delayDisplay(self, _message: str) -> None:
                pass

        kinds = {f"ScriptedLoadableModule{kind}": Base for kind in ("", "Logic", "Widget")}
        return self._module("slicer.ScriptedLoadableModule", ScriptedLoadableModuleTest=Test, **kinds)

    @staticmethod
    def _module(name: str, **contents: Any) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(contents)
        return module

    @staticmethod
    def _save(volume: Volume, path: str) -> bool:
        nib.save(nib.Nifti1Image(volume.array, volume.affine), path)
        return True

    @staticmethod
    def _load(path: str, properties: dict[str, Any]) -> Volume:
        if not Path(path).is_file():
            raise RuntimeError(f"Failed to load node from file: {path}")  # as slicer.util does
        image = nib.load(path)
        return Volume(properties["name"], np.asarray(image.dataobj), image.affine)
