"""Folders of pictures through a model that was trained on pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from medcycle.body import Modality
from medcycle.dataset.pictures import from_network, to_network
from medcycle.errors import CaseFailed, DataError, UsageError
from medcycle.inference import devices_of, require_direction
from medcycle.io.files import require_absent, require_writable
from medcycle.io.pictures import Picture, find_pictures, read_picture, write_picture
from medcycle.isolation import isolated
from medcycle.methods.base import Method
from medcycle.methods.checkpoint import checkpoint_of, load_method
from medcycle.networks.layers import cut_to, to_multiple
from medcycle.patch_geometry import DOWNSAMPLING
from medcycle.progress import ProgressLine

__all__ = ["translate_pictures"]

log = logging.getLogger(__name__)


def translate_pictures(
    run_or_checkpoint: Path,
    input_path: Path,
    output: Path,
    *,
    to: Modality = "ct",
    device: str = "auto",
    say: Callable[[str], None] | None = None,
) -> list[Path]:
    """Translate every picture at `input_path`, whole.

    Args:
        run_or_checkpoint: a run's folder or a checkpoint, trained on pictures.
        input_path: a picture or a folder of them, of any sizes, grey or RGB.
        output: a folder, which gets a picture of the same size and kind for each; those that are there are skipped.
        to: `ct` for the second domain, `mr` for the first.
        device: as of `devices_of`; the first is taken.
        say: told what is translated with.

    Returns:
        What was written: `NAME.png`, or `NAME.npy` of a NumPy file.

    Raises:
        UsageError: if the model was trained on scans, or can't translate in that direction.
        DataError: if pictures can't be read; the others are translated all the same.
    """
    model = load_method(checkpoint_of(run_or_checkpoint, to=to))
    if not model.config.data.pictures:
        raise UsageError(f"{run_or_checkpoint}: trained on scans, not on pictures; give volumes")
    require_direction(model, to)
    sources = find_pictures(input_path)
    if output.is_file():
        require_absent(output)
    require_writable(output)
    place = devices_of(device)[0]
    method = model.method.to(place).eval()
    names = model.config.data.domains
    if say:
        say(f"translating {len(sources)} pictures to {names[to == 'ct']}, trained for {model.step:,} steps")
    made, failed = [], dict[str, DataError]()
    with ProgressLine("translating", len(sources)) as progress, torch.inference_mode(), torch.random.fork_rng():
        for source in sources:
            torch.manual_seed(0)  # of styles that a method draws
            target = output / f"{source.name}{'.npy' if source.path.suffix.lower() == '.npy' else '.png'}"
            try:
                if not target.is_file():
                    with isolated(source.path):
                        picture = read_picture(source.path)
                        found = _translated(method, picture, place, to)
                    write_picture(found, target)
                made.append(target)
            except DataError as error:
                failed[source.name] = error
                log.warning("not translated: %s", error)
            progress.advance(source.name)
    if failed:
        first = next(iter(failed.values()))
        raise CaseFailed(f"{len(failed)} of {len(sources)} pictures not translated; the first: {first}") from first
    return made


def _translated(method: Method, picture: Picture, device: torch.device, to: Modality) -> Picture:
    """A picture of the other domain, of the same size; grey if the given one is."""
    given = torch.from_numpy(to_network(picture.array)).permute(2, 0, 1)[None].to(device)
    wide = method.translate(to_multiple(given, DOWNSAMPLING, least=2), reverse=to == "mr")
    made = cut_to(wide, given.shape[2:])[0].float().cpu().numpy()
    return Picture(from_network(made.transpose(1, 2, 0)), picture.is_grey)
