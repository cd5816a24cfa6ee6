"""What other software would do with an exported model: ONNX Runtime, NumPy and the description, nothing of medcycle."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Array = np.ndarray
Told = dict[str, Any]


def translate(model: Path, volume: Array, body: Array) -> Array:
    """The translation, in real units, of a volume of the axes and the spacing that the description asks for."""
    told = json.loads(model.with_name(model.name + ".json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    image = np.where(body, forward(volume, body, told["intensity"]["input"]), told["outside"]["network"])
    image = image.astype(np.float32)
    made = windows(session, told, image, body) if told["cutting"]["kind"] == "windows" else None
    made = slices(session, told, image, body) if made is None else made
    real, mapped = (told["intensity"]["output"][key] for key in ("real", "mapped"))
    return np.where(body, np.interp(made, mapped, real), told["outside"]["result"])


def forward(volume: Array, body: Array, intensity: Told) -> Array:
    real = intensity["real"] or fitted(volume[body].astype(np.float64), intensity["fit"])
    return np.interp(volume, real, intensity["mapped"])


def fitted(s: Array, fit: Told) -> Array:
    if fit["rule"] == "z-score":
        return np.array([s.mean() - fit["deviations"] * s.std(), s.mean() + fit["deviations"] * s.std()])
    low, high = min(0.0, s.min()), np.percentile(s, fit["percentile"])
    if fit["rule"] == "percentile":
        return np.array([low, high])
    inner = np.clip(np.percentile(s, fit["inner_percentiles"]), low, high)
    return np.array([low, *inner, high]) + np.linspace(0, 1e-4, len(inner) + 2) * (high - low)


def run(session: onnxruntime.InferenceSession, told: Told, images: Array) -> Array:
    """Images filled up to sizes that the network takes, translated, and cut to what they were."""
    axes = told["inputs"][0]["axes"][2:]
    wanted = [
        axis["size"] or max(axis["at_least"], -(-size // axis["multiple_of"]) * axis["multiple_of"])
        for axis, size in zip(axes, images.shape[2:], strict=True)
    ]
    ends = [(0, more - size) for more, size in zip(wanted, images.shape[2:], strict=True)]
    given = {told["inputs"][0]["name"]: np.pad(images, [(0, 0), (0, 0), *ends], mode="edge")}
    if len(told["inputs"]) > 1:
        style = told["inputs"][1]
        given[style["name"]] = np.full((len(images), style["axes"][1]["size"]), style["default"], np.float32)
    made = session.run([told["output"]["name"]], given)[0]
    return made[(slice(None), slice(None), *(slice(size) for size in images.shape[2:]))]


def frame(image: Array, body: Array, told: Told, axes: int) -> tuple[Array, list[Array]]:
    """About the body in the first axes, and where in the volume each of its lines is."""
    places = []
    for axis in range(axes):
        filled = np.flatnonzero(body.any(axis=tuple({0, 1, 2} - {axis})))
        low, high, multiple = filled[0], filled[-1] + 1, told["cutting"]["frame_multiple_of"]
        size = max(told["cutting"]["size"][axis], -(-(high - low) // multiple) * multiple)
        places.append((low + high - size) // 2 + np.arange(size))
    places += [np.arange(size) for size in image.shape[axes:]]
    beyond = np.pad(image, [(size, size) for size in image.shape], constant_values=told["outside"]["network"])
    return beyond[np.ix_(*(place + size for place, size in zip(places, image.shape, strict=True)))], places


def put_back(made: Array, places: list[Array], shape: tuple[int, ...], fill: float) -> Array:
    result = np.full(shape, fill)
    within = [(place >= 0) & (place < size) for place, size in zip(places, shape, strict=True)]
    result[np.ix_(*(place[kept] for place, kept in zip(places, within, strict=True)))] = made[np.ix_(*within)]
    return result


def slices(session: onnxruntime.InferenceSession, told: Told, image: Array, body: Array) -> Array:
    across, count = told["cutting"]["across"], told["cutting"]["neighbours"]
    total = np.zeros(image.shape)
    for axis in across:
        turned, shown = np.moveaxis(image, axis, 2), np.moveaxis(body, axis, 2)
        framed, places = frame(turned, shown, told, axes=2)
        stack = np.moveaxis(framed, 2, 0)
        steps = np.arange(count) - count // 2
        seen = np.clip(np.arange(len(stack))[:, None] + steps, 0, len(stack) - 1)
        made, weights = np.zeros(stack.shape), np.zeros(len(stack))
        for middle in np.flatnonzero(shown.any(axis=(0, 1))):
            parts = run(session, told, stack[seen[middle]][None])[0]
            for place, part, weight in zip(middle + steps, parts, told["output"]["channel_weights"], strict=True):
                if 0 <= place < len(stack):
                    made[place] += weight * part
                    weights[place] += weight
        made[weights > 0] /= weights[weights > 0, None, None]
        back = put_back(np.moveaxis(made, 0, 2), places, turned.shape, told["outside"]["network"])
        total += np.moveaxis(back, 2, axis) / len(across)
    return total


def windows(session: onnxruntime.InferenceSession, told: Told, image: Array, body: Array) -> Array:
    framed, places = frame(image, body, told, axes=3)
    size, cutting = told["cutting"]["size"], told["cutting"]
    assert cutting["blending"]["kind"] == "sin2"
    weights = np.ones(size)
    for axis, length in enumerate(size):
        line = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
        weights *= np.expand_dims(line, tuple({0, 1, 2} - {axis}))
    total, counted = np.zeros(framed.shape), np.zeros(framed.shape)
    for start in itertools.product(
        *(starts(*pair, cutting["overlap"]) for pair in zip(framed.shape, size, strict=True))
    ):
        part = tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
        total[part] += weights * run(session, told, framed[part][None, None])[0, 0]
        counted[part] += weights
    return put_back(total / counted, places, image.shape, told["outside"]["network"])


def starts(length: int, size: int, overlap: float) -> list[int]:
    """At even distances; the last one ends where the frame does."""
    count = int(np.ceil((length - size) / int(size * (1 - overlap))))
    return [*range(0, length - size, int(np.ceil((length - size) / count))), length - size] if count else [0]
