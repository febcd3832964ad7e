"""Networks that speak, and their registry."""

from malsori.core.registry import Registry

MODELS = Registry("model", {"jets": "malsori.models.jets:ENTRY"})
