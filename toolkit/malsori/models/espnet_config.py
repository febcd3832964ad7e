"""The settings of ESPnet's classes, as far as they can be read without ESPnet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.models.espnet_params import PATH
from malsori.models.voice import VoiceContext
from malsori.modules.conditioning import SpeakerEmbeddingConfig


@dataclass(frozen=True, kw_only=True)
class EspnetConfig:
    """One of ESPnet's classes with ESPnet's own settings."""

    params: dict[str, Any] = field(default_factory=dict)
    """What stands under ``tts_conf`` in an ESPnet yaml; ESPnet's defaults for the rest. The numbers
    of tokens, bands, speakers and languages and the sample rate are derived."""
    generator_first: bool = True
    """Whether the generator moves before the discriminator, as in ESPnet's recipes of JETS; those
    of VITS say false."""

    @property
    def segment(self) -> int:
        """Frames of the windows that it is trained on."""
        return _segment(self.params.get("generator_params"), 64)

    @property
    def speaker_embedding(self) -> SpeakerEmbeddingConfig:
        """What ``spk_embed_dim`` says of speaker vectors."""
        return _speaker_embedding(self.params.get("generator_params"))

    def check(self, audio: AudioConfig) -> None:
        """Refuse what needs no ESPnet to be seen."""
        if self.params.get("plot_pred_mos"):
            raise ConfigError(f"{PATH}.plot_pred_mos: runs code from the network; leave it out")
        if self.segment < 1:
            raise ConfigError(f"{PATH}: segment_size must be at least 1 frame, got {self.segment}")


@dataclass(frozen=True, kw_only=True)
class EspnetVitsConfig(EspnetConfig):
    """ESPnet's VITS with ESPnet's own settings."""

    @property
    def segment(self) -> int:
        """Frames of the windows that it is trained on."""
        return _segment(self.params.get("generator_params"), 32)


@dataclass(frozen=True, kw_only=True)
class EspnetJointConfig(EspnetConfig):
    """ESPnet's text-to-mel model and vocoder trained together, with ESPnet's own settings."""

    @property
    def segment(self) -> int:
        """Frames of the windows that it is trained on."""
        return _segment(self.params, 32)

    @property
    def speaker_embedding(self) -> SpeakerEmbeddingConfig:
        """What ``spk_embed_dim`` says of speaker vectors."""
        return _speaker_embedding(self.params.get("text2mel_params"))

    def check(self, audio: AudioConfig) -> None:
        """Refuse text-to-mel models that need what our data does not have."""
        EspnetConfig.check(self, audio)
        kind = self.params.get("text2mel_type", "fastspeech2")
        if kind in ("fastspeech", "fastspeech2"):
            raise ConfigError(
                f"{PATH}.text2mel_type: {kind} needs durations from a teacher, which our data does "
                "not have; tacotron2 and transformer learn theirs"
            )


def derived(
    config: EspnetConfig, context: VoiceContext, symbols: int, bands: int, spoken_by: str
) -> dict[str, dict[str, int]]:
    """Return the settings that nobody types, by where they stand in ESPnet's.

    Args:
        config: What is typed.
        context: What the data and the audio settings decide.
        symbols: That the class embeds.
        bands: Of the features that it reads.
        spoken_by: The settings that hold the numbers of speakers and languages.

    Raises:
        ConfigError: What is typed does not fit the data.
    """
    rate = context.audio.sample_rate
    sizes = {"idim": symbols, "odim": bands}
    found = {
        "": {**sizes, "sampling_rate": rate},
        "generator_params": {**sizes, "vocabs": symbols, "aux_channels": bands},
        "text2mel_params": dict(sizes),
        "vocoder_params": {"in_channels": bands, "aux_channels": bands},
        "mel_loss_params": {"fs": rate},
    }
    typed = config.params.get(spoken_by)
    typed = typed if isinstance(typed, Mapping) else {}
    where = f"{PATH}.{spoken_by}"
    for key, count in (("spks", context.speakers), ("langs", context.languages)):
        if key not in typed:
            found[spoken_by][key] = count
        elif isinstance(typed[key], int) and 1 < typed[key] < count:
            raise ConfigError(f"{where}.{key}: {typed[key]}, but the data has {count}")
    return found


def _segment(settings: Any, usual: int) -> int:
    """Return ``segment_size``, or ESPnet's default where it is not (rightly) given."""
    found = settings.get("segment_size") if isinstance(settings, Mapping) else None
    return found if isinstance(found, int) else usual


def _speaker_embedding(settings: Any) -> SpeakerEmbeddingConfig:
    """Return ``spk_embed_dim`` as our models have it; none where it is not (rightly) given."""
    found = settings.get("spk_embed_dim") if isinstance(settings, Mapping) else None
    return SpeakerEmbeddingConfig(size=found if isinstance(found, int) and found > 0 else 0)
