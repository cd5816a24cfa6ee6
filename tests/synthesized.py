"""A volume through trained models, in one call."""

from typing import Any

from medcycle.body import Modality
from medcycle.inference import Options, Prediction, Predictor
from medcycle.methods.checkpoint import SavedMethod
from medcycle.volume import Volume


def synthesize(
    volume: Volume,
    models: SavedMethod | list[SavedMethod],
    to: Modality,
    options: Options | None = None,
    **named: Any,
) -> Prediction:
    return Predictor(models, options or Options(), to=to, **named).predict(volume)
