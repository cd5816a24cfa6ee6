"""Networks as graphs of PyTorch's operations, with nothing in them that a direction does without."""

from __future__ import annotations

import copy

from torch import nn
from torch.export import ExportedProgram, export

from medcycle.export.wrapper import Sizes

__all__ = ["traced"]


def traced(network: nn.Module, sizes: Sizes) -> ExportedProgram:
    """The graph of a network in evaluation mode, for all sizes that it takes.

    Discriminators, the generator of the other direction and the like are not in it: a graph keeps all parameters of
    what is traced, so that a first one tells which are idle.
    """
    first = _graph_of(network, sizes)
    first.graph.eliminate_dead_code()
    lean = copy.deepcopy(network)
    for path in _idle_parts(network, first):
        lean.set_submodule(path, nn.Identity())
    return _graph_of(lean, sizes)


def _graph_of(network: nn.Module, sizes: Sizes) -> ExportedProgram:
    # two images, since tracing would keep a size of 1; and other sizes than those of the check
    return export(network, sizes.example(batch=2, beyond=1), dynamic_shapes=sizes.dynamic())


def _idle_parts(network: nn.Module, program: ExportedProgram) -> list[str]:
    """The paths of the largest parts none of whose parameters the result depends on."""
    named = dict(network.named_parameters(remove_duplicate=False))
    needed = {node.name for node in program.graph.nodes if node.users}
    taken = program.graph_signature.inputs_to_parameters
    # by identity: a parameter that two parts share has two names, of which the graph knows one
    used = {id(named[name]) for placeholder, name in taken.items() if placeholder in needed}
    idle: list[str] = []
    for path, part in network.named_modules():
        own = [id(parameter) for parameter in part.parameters()]
        if own and not used.intersection(own) and not any(path.startswith(f"{larger}.") for larger in idle):
            idle.append(path)
    return idle
