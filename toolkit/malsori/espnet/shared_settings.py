"""Settings that ESPnet's models share: transforms, HiFi-GAN's generator, discriminators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from malsori.core.errors import ConfigError
from malsori.espnet import defaults
from malsori.espnet.section import Section, whole_numbers
from malsori.modules.discriminators import DiscriminatorConfig

SLOPE = {"negative_slope": 0.1}


def sample_rate(section: Section) -> int:
    """Return the sample rate, which ESPnet also takes as text such as 24k."""
    import humanfriendly

    value = section.raw("fs")
    if isinstance(value, str):
        try:
            return int(humanfriendly.parse_size(value))
        except humanfriendly.InvalidSize as error:
            raise ConfigError(f"{section.path}.fs: expected a rate, got {value!r}") from error
    return section.take("fs", int)


def check_stft(section: Section) -> None:
    """Refuse another transform than the one that we have."""
    section.only("window", "hann")
    section.only("center", True)
    section.only("normalized", False)
    section.only("onesided", True)


def agree_with_data(params: Section, key: str, known: int, what: str) -> None:
    """Refuse a number that ESPnet wrote there while it built the model, if it is another."""
    if params.raw(key) is None:
        return
    found = params.take(key, int)
    if found != known:
        raise ConfigError(f"{params.path}.{key}: {found}, but there are {known} {what}")


def counted(params: Section) -> tuple[int, int]:
    """Return how many speakers and languages a model knows."""
    speakers, languages = (max(params.maybe(key, int) or 1, 1) for key in ("spks", "langs"))
    return speakers, languages


def hifigan(params: Section, prefix: str, paired: bool) -> dict[str, Any]:
    """Return the settings of our generator for those of ESPnet's that begin with ``prefix``."""
    params.only(f"{prefix}_kernel_size", 7)
    scales = params.sizes(f"{prefix}_upsample_scales")
    kernels = params.sizes(f"{prefix}_upsample_kernel_sizes")
    if kernels != tuple(2 * scale for scale in scales):
        raise ConfigError(
            f"{params.path}.{prefix}_upsample_kernel_sizes: {list(kernels)} is not supported, "
            "only twice the scales"
        )
    name = f"{prefix}_resblock_dilations"
    dilations = params.raw(name)
    if not isinstance(dilations, (list, tuple)):
        raise ConfigError(f"{params.path}.{name}: expected a list of lists, got {dilations!r}")
    return {
        "name": "hifigan_v1",
        "channels": params.take(f"{prefix}_channels", int),
        "upsampling": scales,
        "upsampling_kernels": kernels,
        "residual_kernels": params.sizes(f"{prefix}_resblock_kernel_sizes"),
        "residual_dilations": [whole_numbers(d, f"{params.path}.{name}") for d in dilations],
        "paired": paired,
    }


def read_discriminator(tts: Section) -> tuple[DiscriminatorConfig | None, str]:
    """Return the discriminators' settings; where we have no such ensemble, why."""
    given = tts.raw("discriminator_params")
    try:
        tts.only("discriminator_type", None, "hifigan_multi_scale_multi_period_discriminator")
        left_out = (
            defaults.DISCRIMINATOR_WITHOUT_PARAMS if given is None else defaults.DISCRIMINATOR
        )
        path = "tts_conf.discriminator_params"
        return _ensemble(Section({} if given is None else given, left_out, path)), ""
    except ConfigError as error:  # speech does not need them
        return None, str(error)


def _ensemble(params: Section) -> DiscriminatorConfig:
    scale = _convolutions(params, "scale_discriminator_params", defaults.SCALE_DISCRIMINATOR)
    period = _convolutions(params, "period_discriminator_params", defaults.PERIOD_DISCRIMINATOR)
    params.only("follow_official_norm", False)
    scales = params.take("scales", int)
    if scales > 1:
        params.only("scale_downsample_pooling", "AvgPool1d")
        params.only("scale_downsample_pooling_params", defaults.POOLING)
    params.ignore(("scale_downsample_pooling", "scale_downsample_pooling_params"))
    kernels = period.sizes("kernel_sizes")
    if len(kernels) != 2:
        raise ConfigError(f"{period.path}.kernel_sizes: need 2, got {list(kernels)}")
    config = DiscriminatorConfig(
        scales=scales,
        scale_channels=scale.take("channels", int),
        scale_max_channels=scale.take("max_downsample_channels", int),
        scale_kernels=scale.sizes("kernel_sizes"),
        scale_strides=scale.sizes("downsample_scales"),
        scale_max_groups=scale.take("max_groups", int),
        periods=params.sizes("periods"),
        period_channels=period.take("channels", int),
        period_max_channels=period.take("max_downsample_channels", int),
        period_kernel=kernels[0],
        period_score_kernel=kernels[1] - 1,
        period_strides=period.sizes("downsample_scales"),
    )
    for section in (params, scale, period):
        section.close()
    return config


def _convolutions(params: Section, key: str, left_out: Mapping[str, Any]) -> Section:
    """Return a discriminator's settings after checking what we have one kind of."""
    section = Section(params.raw(key), left_out, f"{params.path}.{key}")
    section.only("in_channels", 1)
    section.only("out_channels", 1)
    section.only("bias", True)
    section.only("nonlinear_activation", "LeakyReLU")
    section.only("nonlinear_activation_params", SLOPE)
    section.only("use_spectral_norm", False)
    section.ignore(("use_weight_norm", "period"))
    return section
