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
        description="stop after this many minutes, validations included but for the last one, which takes 15 % more at "
        "most; what is prepared before doesn't count; null for no limit",
    )
    batch_size: Images = Field(1, description="slices or patches of each modality that are computed together")
    accumulate: Images = Field(
        1, description="batches of a step, whose gradients are averaged: a larger batch in the memory of one"
    )
    optimizer: Literal["adam", "muon"] = Field(
        "adam",
        description="what steps generators: Adam, or Muon their wide layers, along orthogonal matrices; where targets "
        "are known, it learns several times faster",
    )
    learning_rate: Rate = Field(2e-4, description="Adam's learning rate, at its highest; Muon's is ten times it")
    warm_up: int = Field(0, ge=0, le=10**9, description="steps in which the learning rate rises from nothing")
    decay: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="how the learning rate falls: in the second half, all the way, or not"
    )
    betas: tuple[Beta, Beta] = Field((0.5, 0.999), description="Adam's decay rates")
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="what a step keeps of the generators' running average; 0 keeps the last weights"
    )
    warm_start: float = Field(
        0.0,
        ge=0,
        le=1,
        description="part of the run on simulated MR alone, before all losses: MR to CT, every fourth step CT to MR",
    )
    seed: Seed = Field(0, description="seed of weights, sampling and augmentation")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = Field(
        "auto", description="auto is bf16-mixed where the hardware computes in it, 16-mixed on older GPUs, else 32-true"
    )
    devices: Devices = Field(1, description="devices of a machine; each has batches of its own in a step")
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="kind of device")
    workers: Processes = Field(0, description="processes that load data; 0 loads in the training process")
    log_every: Steps = Field(20, description="steps between rows of metrics.csv")
    trackers: tuple[Literal["mlflow", "wandb"], ...] = Field(
        (), description="where losses and settings are recorded too; needs medcycle[mlflow] or medcycle[wandb]"
    )
    validations: Count = Field(
        10,
        description="how often in a run whole volumes are translated and scored, at even distances, to keep the best "
        "checkpoint; less often where minutes are limited, of which they take a tenth; 0 for never",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=10**5,
        description="end the run after so many validations on end without a better score; null to go on",
    )
    preview_every: Steps = Field(500, description="steps between preview pictures")
    checkpoint_every: Steps = Field(500, description="steps between checkpoints")

    def is_warm(self, progress: float) -> bool:
        """Whether a run that is so far done, 0 to 1, is in its warm start."""
        return progress < self.warm_start
