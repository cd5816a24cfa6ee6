"""medcycle from Python: the functions that `import medcycle` offers.

Heavy modules such as PyTorch are loaded by the functions that need them. The command line uses the same functions and
prints their results.
"""

from medcycle.api.conversions import convert
from medcycle.api.doses import compare_dose
from medcycle.api.files import read, write_dicom, write_nifti
from medcycle.api.models import Progress, adapt, list_models, load_model, model_info, synthesize, train
from medcycle.api.pairs import register
from medcycle.api.pictures import score_pictures, translate_pictures
from medcycle.api.scores import evaluate, judge
from medcycle.api.simulations import simulate_cbct
from medcycle.report import write_report

__all__ = [
    "Progress",
    "adapt",
    "compare_dose",
    "convert",
    "evaluate",
    "judge",
    "list_models",
    "load_model",
    "model_info",
    "read",
    "register",
    "score_pictures",
    "simulate_cbct",
    "synthesize",
    "train",
    "translate_pictures",
    "write_dicom",
    "write_nifti",
    "write_report",
]
