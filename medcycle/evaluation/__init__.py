"""Scores of synthetic volumes against real ones, as named protocols, case by case."""

from medcycle.evaluation.cases import Case, match_cases
from medcycle.evaluation.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, score
from medcycle.evaluation.tables import Summary, evaluate, write_evaluation, write_tables, writer_of_details

__all__ = [
    "DEFAULT_PROTOCOL",
    "PROTOCOLS",
    "Case",
    "Protocol",
    "Summary",
    "evaluate",
    "match_cases",
    "score",
    "write_evaluation",
    "write_tables",
    "writer_of_details",
]
