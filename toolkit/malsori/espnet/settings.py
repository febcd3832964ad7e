"""From ESPnet's training config to our settings.

Every setting of ESPnet is mapped, or checked to have the one value that we support, or listed in
``defaults.py`` as one that does not change what a voice says. Whatever else a config holds is
refused by name; of the trainer's settings it is logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.log import get_logger
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet import defaults
from malsori.espnet.jets_settings import jets_audio, jets_model
from malsori.espnet.section import Section
from malsori.espnet.shared_settings import read_discriminator
from malsori.espnet.vits_settings import vits_audio, vits_model
from malsori.models.jets import JetsConfig
from malsori.models.vits import VitsConfig
from malsori.modules.discriminators import DiscriminatorConfig

log = get_logger(__name__)

READ = ("jets", "vits")
"""ESPnet's models that are read, which have these names here as well."""
GENERATORS = {"jets": "jets_generator", "vits": "vits_generator"}
NO_EFFECT = {"jets": defaults.JETS_NO_EFFECT, "vits": defaults.VITS_NO_EFFECT}


@dataclass(frozen=True, kw_only=True)
class EspnetSettings:
    """What a config says of a voice, but for its text front end and statistics."""

    name: str
    """Of the model."""
    audio: AudioConfig
    model: JetsConfig | VitsConfig
    discriminator: DiscriminatorConfig | None
    """None where the ensemble is one that we do not have; ``discriminator_problem`` says why."""
    discriminator_problem: str
    speakers: int
    languages: int


def read_settings(config: Mapping[str, Any], tokens: int, origin: str) -> EspnetSettings:
    """Return our settings for an ESPnet config.

    Args:
        config: Content of ``config.yaml``.
        tokens: Length of the token list.
        origin: Named in errors.

    Raises:
        MalsoriError: It is neither of a JETS nor of a VITS voice, or has a setting that we do not
            support; the line names it.
    """
    try:
        top = Section(config, defaults.CONFIG, "")
        name = check_model(top)
        tts = Section(top.raw("tts_conf") or {}, {"sampling_rate": 22050}, "tts_conf")
        tts.only("generator_type", None, GENERATORS[name])
        rate = tts.take("sampling_rate", int)
        audio, model, speakers, languages = (_vits if name == "vits" else _jets)(
            top, tts, rate, tokens
        )
        if rate != audio.sample_rate:
            log.warning(
                "%s: tts_conf.sampling_rate is %d, feats_extract_conf.fs %d; the latter is taken",
                origin, rate, audio.sample_rate,
            )  # fmt: skip
        discriminator, problem = read_discriminator(tts)
        tts.ignore(NO_EFFECT[name])
        tts.close()
        model.check(audio)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    top.ignore((*defaults.TRAINING, *defaults.CONFIG))  # text and statistics are read elsewhere
    if top.left():
        log.warning("%s: settings not known, not read: %s", origin, ", ".join(top.left()))
    return EspnetSettings(
        name=name,
        audio=audio,
        model=model,
        discriminator=discriminator,
        discriminator_problem=problem,
        speakers=speakers,
        languages=languages,
    )


def check_model(top: Section) -> str:
    """Return the name of the model; refuse what is neither a JETS nor a VITS voice.

    Raises:
        MalsoriError: It is another model, or none.
    """
    name = top.raw("tts")
    if name not in READ:
        raise MalsoriError(
            f"tts: {name!r} is no model that malsori reads from ESPnet, only "
            f"{' and '.join(map(repr, READ))}"
        )
    return str(name)


Read = tuple[AudioConfig, JetsConfig | VitsConfig, int, int]
"""Audio settings, those of the model, how many speakers and languages it knows."""


def _jets(top: Section, tts: Section, rate: int, tokens: int) -> Read:
    audio = jets_audio(top)
    return audio, *jets_model(tts, tokens, audio)


def _vits(top: Section, tts: Section, rate: int, tokens: int) -> Read:
    audio = vits_audio(top, rate)
    return audio, *vits_model(tts, tokens, audio)
