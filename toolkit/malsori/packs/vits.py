"""Voices that the original VITS's code trained: its checkpoint and ``config.json`` as ours.

Nothing in the files is trusted: weights are read without pickled code, settings as plain JSON, and
what they ask for is compared with the weights before any model is built.

What differs in form, beside the names (``vits_weights.py``): the original's token 0 is padding and
blank at once, and it has no token for what is unknown, which is put in as number 1.

Source: the layout of the files that github.com/jaywalnut310/vits publishes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from malsori.core.config import from_dict, to_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.log import get_logger
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models.vits import VitsConfig
from malsori.packs.archive import MEGABYTE
from malsori.packs.format import VoiceFiles
from malsori.packs.hifigan import generator_settings
from malsori.packs.plain_files import file_content, json_content
from malsori.packs.settings import name_list, value_of
from malsori.packs.torch_weights import folded, load_state
from malsori.packs.vits_weights import (
    COUPLINGS,
    EMBEDDING,
    FLOW_LAYERS,
    POSTERIOR_LAYERS,
    our_weights,
)
from malsori.text.frontend import TextError
from malsori.text.tokenizer import TOKENS_FILE, TokenizerConfig
from malsori.text.tokens import TokenList, visible

log = get_logger(__name__)

LARGEST_WEIGHTS = 8192 * MEGABYTE
PUNCTUATION = ';:,.!?¡¿—…"«»“” '
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
IPA = (
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢ"
    "ǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
)
BUILTIN = ("_", *PUNCTUATION, *LETTERS, *IPA)
"""Symbols of the published English voices by their numbers; the apostrophe is there twice."""
_KNOWN = """
inter_channels hidden_channels filter_channels n_heads n_layers kernel_size p_dropout resblock
resblock_kernel_sizes resblock_dilation_sizes upsample_rates upsample_initial_channel
upsample_kernel_sizes gin_channels use_sdp n_layers_q use_spectral_norm
"""
KNOWN = frozenset(_KNOWN.split())
"""Settings of ``model`` that the original has; the last two do not change what a voice says."""
WANTED = "a generator, such as G_100000.pth, not its discriminators, D_100000.pth"


def read_vits(path: Path, config: Path, symbols: str | None = None) -> VoiceFiles:
    """Return the voice in a checkpoint.

    Args:
        path: ``G_*.pth``: a state dict, or one under ``model``.
        config: Its ``config.json``.
        symbols: File with one symbol a line, in the order of their numbers, or ``builtin`` for the
            published English voices'; by default the list ``symbols`` in ``config``, which some
            versions of the code write.

    Raises:
        MalsoriError: A file is missing, damaged, of something else or asks for what we do not have;
            one line that names it.
    """
    tree = json_content(config)
    data, model = (value_of(tree, key, config) for key in ("data", "model"))
    known = _symbols(symbols, tree, config)
    audio, speakers = _audio(data, config), _speakers(data, tree, config)
    settings = _model(model, value_of(tree, "train", config), audio, len(speakers) > 1, config)
    content = file_content(path, LARGEST_WEIGHTS)
    try:
        state = folded(load_state(content, ("model",)))
        if EMBEDDING not in state or state[EMBEDDING].dim() != 2:
            raise MalsoriError(f"has no {EMBEDDING}")
        listed, rows = _numbered(known, len(state[EMBEDDING]))
        weights = our_weights(state, rows, told=len(speakers) > 1)
    except MalsoriError as error:
        raise MalsoriError(f"{path}: {error} (wanted: {WANTED})") from error
    return VoiceFiles(
        origin=str(path),
        description={
            "audio": to_dict(audio),
            "task": {"name": "gan_tts"},
            "model": {"name": "vits", **to_dict(settings)},
            "tokenizer": to_dict(_tokenizer(data, config)),
            "speakers": speakers,
            "languages": ["0"],
        },
        weights=weights,
        statistics=Statistics.neutral(audio.mel_bands),
        files={TOKENS_FILE: "".join(f"{symbol}\n" for symbol in listed).encode()},
        meta={
            "imported_from": {
                "toolkit": "VITS",
                "weights": path.name,
                "weights_sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    )


def _symbols(source: str | None, tree: Mapping[str, Any], config: Path) -> list[str]:
    """Return the symbols in the order of their numbers in the checkpoint."""
    if source == "builtin":
        return list(BUILTIN)
    if source is not None:
        try:
            lines = file_content(Path(source), MEGABYTE).decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            raise MalsoriError(f"{source}: not a UTF-8 file: {error}") from error
        return lines.removesuffix("\n").split("\n")  # a space may be a symbol
    if "symbols" not in tree:
        raise MalsoriError(
            f"{config}: has no 'symbols': name a file with one a line, --symbols FILE, or those of "
            "the published English voices, --symbols builtin"
        )
    return name_list(tree, "symbols", config)


def _numbered(symbols: Sequence[str], count: int) -> tuple[list[str], list[int | None]]:
    """Return our token list, and where in the checkpoint the vector of each token is.

    Of a symbol that is there twice the original uses the last.
    """
    if len(symbols) != count:
        raise MalsoriError(f"knows {count} symbols, but {len(symbols)} are listed")
    numbers = {symbol: i for i, symbol in enumerate(symbols)}
    later = [i for i, symbol in enumerate(symbols) if i and numbers[symbol] == i]
    twice = sorted({s for i, s in enumerate(symbols) if numbers[s] != i})
    if twice:
        log.info("symbols listed twice, of which the last is used: %s", " ".join(map(repr, twice)))
    try:
        listed = TokenList.of([visible(symbols[i]) for i in later]).symbols
    except TextError as error:
        raise MalsoriError(f"symbols: {error}") from error
    return list(listed), [0, None, *later]


def _audio(data: Any, config: Path) -> AudioConfig:
    rate = value_of(data, "sampling_rate", config)
    highest = value_of(data, "mel_fmax", config)
    tree = {
        "sample_rate": rate,
        "n_fft": value_of(data, "filter_length", config),
        "window": value_of(data, "win_length", config),
        "hop": value_of(data, "hop_length", config),
        "mel_bands": value_of(data, "n_mel_channels", config),
        "mel_low_hz": value_of(data, "mel_fmin", config),
        "mel_high_hz": rate / 2 if highest is None and isinstance(rate, int) else highest,
    }
    try:
        return from_dict(AudioConfig, tree, "audio")
    except ConfigError as error:
        raise MalsoriError(f"{config}: {error}") from error


def _speakers(data: Mapping[str, Any], tree: Mapping[str, Any], config: Path) -> list[str]:
    """Return the names of the speakers, their numbers where none are known."""
    count = data.get("n_speakers", 0)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 65536:
        raise MalsoriError(f"{config}: data.n_speakers: expected a number, got {count!r}")
    names = tree.get("speakers")
    if isinstance(names, list) and len(set(map(str, names))) == max(count, 1):
        return [str(name) for name in names]
    return [str(i) for i in range(max(count, 1))]


def _model(model: Any, train: Any, audio: AudioConfig, told: bool, config: Path) -> VitsConfig:
    """Return the settings of the network; what is no setting in the original is its constant."""
    width = value_of(model, "hidden_channels", config)
    latent = value_of(model, "inter_channels", config)
    if width != latent:
        raise MalsoriError(
            f"{config}: model.inter_channels: {latent!r}, but hidden_channels is {width!r}; "
            "malsori's VITS has one width"
        )
    drawn = model.get("use_sdp", True)
    if not isinstance(drawn, bool):
        raise MalsoriError(f"{config}: model.use_sdp: expected true or false, got {drawn!r}")
    unknown = [key for key in model if key not in KNOWN and model[key] not in (None, False, 0)]
    if unknown:
        raise MalsoriError(
            f"{config}: model.{unknown[0]}: {model[unknown[0]]!r} is not supported; the original "
            "VITS does not have it"
        )
    segment = value_of(train, "segment_size", config)
    tree = {
        "width": width,
        **({"condition": value_of(model, "gin_channels", config)} if told else {}),
        "encoder": {
            "name": "relative_transformer",
            "layers": value_of(model, "n_layers", config),
            "heads": value_of(model, "n_heads", config),
            "hidden": value_of(model, "filter_channels", config),
            "kernel": value_of(model, "kernel_size", config),
            "dropout": value_of(model, "p_dropout", config),
        },
        "posterior": {"layers": POSTERIOR_LAYERS, "channels": width},
        "flow": {
            "couplings": COUPLINGS,
            "network": {"layers": FLOW_LAYERS, "channels": width},
        },
        "duration": "stochastic" if drawn else "log",
        "duration_flow": {"channels": width, "couplings": COUPLINGS},
        "generator": generator_settings(model, config),
        "segment": segment // audio.hop if isinstance(segment, int) else segment,
    }
    try:
        settings = from_dict(VitsConfig, tree, "model")
        settings.check(audio)
    except ConfigError as error:
        raise MalsoriError(f"{config}: {error}") from error
    return settings


def _tokenizer(data: Mapping[str, Any], config: Path) -> TokenizerConfig:
    """Return the tokenizer: texts are read by cleaners that are not here, so tokens are given."""
    blanks = value_of(data, "add_blank", config)
    if not isinstance(blanks, bool):
        raise MalsoriError(f"{config}: data.add_blank: expected true or false, got {blanks!r}")
    cleaners = data.get("text_cleaners")
    named = ", ".join(map(str, cleaners)) if isinstance(cleaners, list) and cleaners else "text"
    return TokenizerConfig(missing=f"the original VITS's {named}".replace(":", " "), blanks=blanks)
