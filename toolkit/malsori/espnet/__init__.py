"""Voices from and to ESPnet: settings, weights, statistics, text front ends, packs."""
