"""Scores of synthetic volumes against real ones, as named protocols, case by case."""

from medcycle.evaluation.cases import Case, match_cases
from medcycle.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, score
from medcycle.evaluation.scoring import evaluate
from medcycle.evaluation.tables import Summary, evaluation_in, write_tables

__all__ = [
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "Case",
    "Protocol",
    "Summary",
    "evaluate",
    "evaluation_in",
    "match_cases",
    "score",
    "write_tables",
]
