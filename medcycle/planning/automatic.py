"""The configuration `auto`: planned from the scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medcycle.cohort.cohort import Cohort
from medcycle.config import Choice, Config, check_override, load_config, load_stored
from medcycle.dataset.store import Store
from medcycle.errors import UsageError
from medcycle.io.files import write_text
from medcycle.planning.fingerprint import fingerprint
from medcycle.planning.initial import HEAD, settings_of_head, why_not_head
from medcycle.planning.plan import Device, Plan
from medcycle.planning.planner import plan

__all__ = ["AUTO", "keep_plan", "require_readable", "settings_for"]

AUTO = "auto"
"""The name that asks for a plan."""

PLAN = "config.yaml"
"""Where a store keeps it."""


def require_readable(name: str, overrides: Sequence[str], choice: Choice) -> None:
    """Raise `ConfigError` for a configuration that can't be read, before folders of scans are looked through.

    Also raises `UsageError` if `auto` is to plan for CBCT.
    """
    if name != AUTO:
        load_config(name, overrides, choice)
    elif dict(check_override(override) for override in overrides).get("data.source") == "cbct":
        raise UsageError("auto plans for MR only; for CBCT, train cbct")


def settings_for(
    name: str,
    overrides: Sequence[str],
    scans: Store | Cohort,
    known: Path | None = None,
    init_from: Mapping[str, Any] | None = None,
    choice: Choice | None = None,
) -> tuple[Config, Plan | None]:
    """The configuration of a name or file; or for `auto` one that is planned now, and the plan.

    Args:
        name: a shipped configuration, a file, or `auto`.
        overrides: `key=value`.
        scans: what is planned for. A prepared store has its plan already.
        known: for `auto`, a folder whose `config.yaml` is used if there is one: a store to go on with, or a run.
        init_from: for `auto`, dotted keys and values that the networks of another run ask for; `choice` and
            `overrides` go before.
        choice: method, dimensions and device; for `auto` they are set by hand, and planned for.

    Raises:
        ConfigError: if there is no such configuration, or an override is wrong.
        UsageError: for `auto` on a store that was prepared without, or without the GPU that is chosen, and for scans
            without MR if it takes some.
        DataError: if there is nothing to plan for.
    """
    settings, made = _settings(name, overrides, scans, known, init_from or {}, choice or Choice())
    if settings.needs_source and not scans.mr:
        kind = settings.data.source
        other = "train head_ct_only" if kind == "mr" else "set data.simulated_cbct above 0"
        more = f"prepare a store with {kind.upper()}" if isinstance(scans, Store) else f"give --{kind}"
        raise UsageError(f"method.name {settings.method.name} learns from {kind.upper()}; {more}, or {other}")
    return settings, made


def _settings(
    name: str,
    overrides: Sequence[str],
    scans: Store | Cohort,
    known: Path | None,
    init_from: Mapping[str, Any],
    choice: Choice,
) -> tuple[Config, Plan | None]:
    if name != AUTO:
        return load_config(name, overrides, choice), None
    if known and (known / PLAN).is_file():
        return load_stored(known / PLAN, overrides, init_from, choice), None
    if isinstance(scans, Store):
        if not (scans.root / PLAN).is_file():
            raise UsageError(
                f"{scans.root}: prepared without a plan; give the configuration it was prepared with instead of auto"
            )
        return load_stored(scans.root / PLAN, overrides, init_from, choice), None
    given, device = _by_hand(choice, overrides), Device.here(choice.device)
    mr = fingerprint(scans.mr, "mr") if scans.mr else None
    ct = fingerprint(scans.ct, "ct")
    if init_from or "training.init_from" in given or device.kind != "cpu":
        made = plan(mr, ct, device, given, init_from)
    elif why_not := why_not_head(mr, ct, given):
        made = plan(mr, ct, device, given).having("training.init_from", None, why_not)
    else:
        why = "the shipped model; --from-scratch for none"
        made = plan(mr, ct, device, given, settings_of_head()).having("training.init_from", HEAD, why)
    return made.config(), made


def _by_hand(choice: Choice, overrides: Sequence[str]) -> dict[str, Any]:
    """Dotted keys and values that are chosen or set."""
    by_key = dict(check_override(override) for override in overrides)
    slices = {"data": {"slices": by_key.get("data.slices")}}
    chosen = choice.sections(slices)
    return {f"{section}.{key}": value for section, keys in chosen.items() for key, value in keys.items()} | by_key


def keep_plan(made: Plan, store: Store) -> Path:
    """Write the plan beside the volumes that were prepared by it."""
    path = store.root / PLAN
    write_text(path, made.text())
    return path
