"""A model's description as a page to read."""

from __future__ import annotations

from medcycle.models.description import Description

__all__ = ["card_of"]


def card_of(model: Description) -> str:
    """A model card in Markdown: what the model is, what it was trained on, what it scored, and what it can't do."""
    lines = [
        f"# Model card: {model.name}",
        "",
        model.summary,
        "",
        "For research only: not for diagnosis or treatment.",
        "",
        "| | |",
        "|---|---|",
        f"| Licence of the weights | {_cell(model.licence)} |",
        f"| Trained | {model.model['step']:,} steps, by `{model.made_by}`, medcycle {model.medcycle} |",
        f"| Weights | {model.weights.file}, {model.weights.dtype}, SHA-256 {model.weights.sha256} |",
        f"| Against float32 weights | {model.weights.difference_hu[0]:.2f} HU in the mean, "
        f"{model.weights.difference_hu[1]:.2f} HU at most |",
        "",
        "## Training data",
        "",
        "| scan | what | licence | attribution | source |",
        "|---|---|---|---|---|",
        *(
            f"| {' | '.join(_cell(text) for text in (one.name, one.what, one.licence, one.attribution, one.source))} |"
            for one in model.training_data
        ),
        "",
        "## Figures",
        "",
        "None of these were trained on.",
        "",
        "| on | MAE in the body (HU) | bone Dice |",
        "|---|---|---|",
        *(
            f"| {_cell(one.on)} | {one.mae_hu:.0f} | {'' if one.bone_dice is None else f'{one.bone_dice:.2f}'} |"
            for one in model.figures
        ),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in model.limits),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
