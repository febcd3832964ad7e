"""Voices at rest: packs, run folders, and how to open a stranger's archive safely."""
