"""Trained models at work: from a volume to its synthetic counterpart, and how far that can be trusted."""

from medcycle.inference.device import Precision, autocast_on, best_device, best_precision, devices_of
from medcycle.inference.directions import require_direction, require_mr
from medcycle.inference.image_predictor import ImagePredictor
from medcycle.inference.options import Options
from medcycle.inference.predictor import Prediction, Predictor
from medcycle.inference.translator import Translator
from medcycle.inference.uncertainty import CLASSES, Calibration, classes_of, smoothed
from medcycle.inference.windows import Windows

__all__ = [
    "CLASSES",
    "Calibration",
    "ImagePredictor",
    "Options",
    "Precision",
    "Prediction",
    "Predictor",
    "Translator",
    "Windows",
    "autocast_on",
    "best_device",
    "best_precision",
    "classes_of",
    "devices_of",
    "require_direction",
    "require_mr",
    "smoothed",
]
