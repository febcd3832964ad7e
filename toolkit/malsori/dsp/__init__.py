"""Waveforms and what is computed from them: audio files, silence, mel spectrograms, F0."""
