"""Measures of decoded speech against recordings, with baselines, and the report on them."""

from malsori.core.registry import Registry

SCORERS = Registry("scorer", {"acoustic": "malsori.score.acoustic:ENTRY"})
