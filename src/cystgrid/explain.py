"""Where a network's answers come from: for our networks, timm's plain ViTs and CNNs of anybody.

    from cystgrid import explain
    explain.relevance(network, images, "rollout").values

Research use only.
"""

from __future__ import annotations

from cystgrid.explanations.options import Options
from cystgrid.explanations.relevance import METHODS, Method, Relevance, methods_for, relevance

__all__ = ["METHODS", "Method", "Options", "Relevance", "methods_for", "relevance"]
