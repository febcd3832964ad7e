"""The one home of sample rate, hop, window and mel bands."""

from __future__ import annotations

from dataclasses import dataclass

from malsori.core.errors import ConfigError

MOST_BANDS, LARGEST_FFT = 1024, 65536
"""Far more than speech needs: a stranger's settings are refused before filters fill the memory."""


@dataclass(frozen=True, kw_only=True)
class AudioConfig:
    """How waveforms become frames. Defaults: the KSS recipe of JETS (24 kHz)."""

    sample_rate: int = 24000
    """Samples a second, Hz; recordings at other rates are resampled while they are read."""
    n_fft: int = 1024
    """Points of the Fourier transform."""
    window: int = 1024
    """Hann window in samples, at most n_fft."""
    hop: int = 256
    """Samples between frames; the product of the generator's upsampling rates must equal it."""
    mel_bands: int = 80
    """Bands of the mel spectrogram that the aligner sees."""
    mel_low_hz: float = 80.0
    """Lower edge of the lowest mel band."""
    mel_high_hz: float = 7600.0
    """Upper edge of the highest mel band; at most half the sample rate."""
    f0_low_hz: float = 80.0
    """Lowest fundamental frequency that is looked for."""
    f0_high_hz: float = 400.0
    """Highest fundamental frequency that is looked for."""

    def __post_init__(self) -> None:
        if self.sample_rate < 4000:
            raise ConfigError(
                f"sample_rate: {self.sample_rate} Hz is too low for speech (4000 or more)"
            )
        if not 0 < self.hop <= self.window <= self.n_fft:
            raise ConfigError(
                f"hop: need 0 < hop <= window <= n_fft, got {self.hop}, {self.window}, {self.n_fft}"
            )
        if self.mel_bands < 1:
            raise ConfigError(f"mel_bands: must be at least 1, got {self.mel_bands}")
        if self.mel_bands > MOST_BANDS or self.n_fft > LARGEST_FFT:
            raise ConfigError(
                f"mel_bands: need at most {MOST_BANDS}, and n_fft at most {LARGEST_FFT}, "
                f"got {self.mel_bands} and {self.n_fft}"
            )
        if not 0 <= self.mel_low_hz < self.mel_high_hz <= self.sample_rate / 2:
            raise ConfigError(
                f"mel_high_hz: need 0 <= mel_low_hz < mel_high_hz <= {self.sample_rate / 2:g} "
                f"(half of sample_rate), got {self.mel_low_hz:g} and {self.mel_high_hz:g}"
            )
        if not 0 < self.f0_low_hz < self.f0_high_hz:
            raise ConfigError(
                f"f0_high_hz: need 0 < f0_low_hz < f0_high_hz, "
                f"got {self.f0_low_hz:g} and {self.f0_high_hz:g}"
            )

    def frames(self, samples: int) -> int:
        """Return the number of frames of a waveform of ``samples`` samples."""
        return samples // self.hop + 1
