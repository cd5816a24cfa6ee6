"""Dose on a synthetic CT against dose on the real one."""

from medcycle.dose.driver import DEFAULT_SPACING, compare_planned_doses, recalculate_dose
from medcycle.dose.plan import Plan, Radiation, default_plan, read_plan

__all__ = [
    "DEFAULT_SPACING",
    "Plan",
    "Radiation",
    "compare_planned_doses",
    "default_plan",
    "read_plan",
    "recalculate_dose",
]
