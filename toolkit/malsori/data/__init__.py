"""Data dirs, how they are made and checked, datasets, batching and statistics."""
