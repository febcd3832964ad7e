"""How the weights of a generator of ESPnet's lie to those of ours; made for each model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Partners of names, and where the form differs."""

    modules: Mapping[str, str]
    """ESPnet's name of each module to ours."""
    parameters: Mapping[str, str]
    """Likewise of each parameter that is no module's weight or bias."""
    kernels: Mapping[str, int]
    """Our name and kernel of each convolution in feed-forward parts."""
    is_linear: Callable[[str], bool]
    """Whether such a convolution, by our name, is a linear layer in ESPnet."""
    is_normalised: Callable[[str], bool]
    """Whether a module, by our name, has weight norm."""
    halved: Collection[str] = ()
    """Our names of modules of which ESPnet has twice the outputs; it reads the second half."""
