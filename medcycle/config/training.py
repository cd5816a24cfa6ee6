"""The optimisation, devices, validation and records of a run: pure data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from medcycle.config.bounds import Beta, Count, Devices, Images, Minutes, Processes, Rate, Section, Seed, Steps

__all__ = ["TrainingConfig"]


class TrainingConfig(Section):
    """The optimisation and what is recorded of it."""

    max_steps: Steps = Field(100_000, description="optimiser steps")
    max_minutes: Minutes | None = Field(
        None,
        description="stop after this many minutes, not counting preparation; the last validation may add up to 15 %; "
        "null for no limit",
    )
    batch_size: Images = Field(1, description="slices or patches per batch, of each modality")
    accumulate: Images = Field(
        1, description="batches per step, whose gradients are averaged: a larger batch without more memory"
    )
    optimizer: Literal["adam", "muon"] = Field(
        "adam",
        description="optimiser of the generators: Adam, or Muon for their wide layers, which learns several times "
        "faster from pairs",
    )
    learning_rate: Rate = Field(2e-4, description="peak learning rate for Adam; Muon uses ten times this")
    warm_up: int = Field(0, ge=0, le=10**9, description="steps over which the learning rate rises from zero")
    decay: Literal["linear", "cosine", "constant"] = Field(
        "linear",
        description="how the learning rate falls: linearly in the second half, as a cosine over the whole run, or not",
    )
    betas: tuple[Beta, Beta] = Field((0.5, 0.999), description="Adam's decay rates")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="decay of the running average of generator weights; 0: use the current weights"
    )
    warm_start: float = Field(
        0.0,
        ge=0,
        le=1,
        description="fraction of the run, at its start, that trains on simulated pairs only: MR to CT, and every "
        "fourth step CT to MR",
    )
    init_from: str | None = Field(
        None,
        description="run, checkpoint or shipped model to initialise the networks from; a shipped model is used only if "
        "the settings fit it; null: train from scratch",
    )
    seed: Seed = Field(0, description="random seed for weights, sampling and augmentation")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto: bf16-mixed if the hardware supports it, 16-mixed on older GPUs, else 32-true"
    )
    devices: Devices = Field(1, description="number of devices per machine; each processes its own batch")
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="kind of device")
    workers: Processes = Field(0, description="data-loading processes; 0: load in the training process")
    log_every: Steps = Field(20, description="steps between rows of metrics.csv")
    trackers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (), description="also record losses and settings there; needs medcycle[mlflow] or medcycle[wandb]"
    )
    validations: Count = Field(
        10,
        description="number of validations in a run, evenly spaced; each scores whole volumes, to keep the best "
        "checkpoint; fewer with a time limit, of which they take at most a tenth; 0 for none",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=10**5,
        description="stop after this many validations in a row without a better score; null: never",
    )
    preview_every: Steps = Field(500, description="steps between preview pictures")
    checkpoint_every: Steps = Field(500, description="steps between checkpoints")

    def is_warm(self, progress: float) -> bool:
        """Whether a run that is so far done, 0 to 1, is in its warm start."""
        return progress < self.warm_start
