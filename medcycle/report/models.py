"""What is known of the model that made synthetic volumes."""

from __future__ import annotations

from collections.abc import Sequence

from medcycle.report.names import Names
from medcycle.report.plain import Part

__all__ = ["SHOWN_OF_HASH", "model_facts"]

SHOWN_OF_HASH = 16

VALIDATIONS = {"mae": "mean absolute error of held-out pairs, HU", "unpaired": "score without pairs, lower is better"}


def model_facts(described: Sequence[Part], names: Names) -> list[tuple[str, str]]:
    """Lines on the models of several `synthesis.json`.

    Args:
        described: their contents, empty where there is none.
        names: hide names in texts.
    """
    known = [part for part in described if part]
    checkpoints = {one.text("sha256"): one for part in known for one in part.list("checkpoints") if one.text("sha256")}
    if not checkpoints:
        return [("Model", "not known: no synthesis.json beside the synthetic volumes")]
    facts = []
    for sha256, one in checkpoints.items():
        facts.append(("Model", f"checkpoint SHA-256 {names.plain(sha256[:SHOWN_OF_HASH])}…{_trained(one)}"))
    methods = {one.text("method") for one in checkpoints.values() if one.text("method")}
    if methods:
        facts.append(("Method", names.plain(", ".join(sorted(methods)))))
    versions = sorted({part.text("medcycle") for part in known if part.text("medcycle")})
    options = _options(known[0].part("options"))
    facts.append(
        ("Synthesis", ", ".join(filter(None, [f"medcycle {'/'.join(versions)}" if versions else "", options])))
    )
    return facts


def _trained(one: Part) -> str:
    told = []
    if (step := one.number("step")) is not None:
        told.append(f"{step:,.0f} steps")
    counts = [f"{count:.0f} {kind.upper()}" for kind in ("mr", "ct") if (count := one.number(kind))]
    if counts:
        told.append(f"trained on {' and '.join(counts)}")
    if (score := one.number("score")) is not None:
        told.append(f"best validation {score:.0f} ({VALIDATIONS.get(one.text('kind'), 'lower is better')})")
    return f"; {', '.join(told)}" if told else ""


def _options(options: Part) -> str:
    """How volumes were translated, as far as it is not the plain way."""
    told = [f"planes {options.text('planes')}"] if options.text("planes") in ("all", "trained") else []
    told += ["mirrored too"] if options.values.get("flips") is True else []
    if (shifts := options.number("shifts")) and shifts > 1:
        told.append(f"{shifts:.0f} shifts")
    return ", ".join(told)
