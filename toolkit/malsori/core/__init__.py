"""The part that knows nothing of speech: configuration, registries, files, log, run record."""
