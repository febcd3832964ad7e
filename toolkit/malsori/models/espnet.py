"""ESPnet's own GAN-TTS classes as models: theirs and ours on one data pipeline, in one trainer.

Each class holds a generator, discriminators and losses, and takes either side's turn. Here it gets
our features, normalised once (ESPnet's own wrapper normalises pitch and energy in place, twice a
step), and segments no longer than the shortest utterance of a batch (ESPnet's crash or hold
padding). ESPnet is imported when a model is built, never before.

Axes: B utterances, N tokens, T mel frames, M mel bands, F frequency bins, S samples.

Source: ESPnet 202511, espnet2/gan_tts; Hayashi et al. 2021, arXiv:2110.07840.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.registry import Entry
from malsori.dsp.mel import FLOOR, power_spectrum, reflect_pad
from malsori.models.espnet_config import (
    EspnetConfig,
    EspnetJointConfig,
    EspnetVitsConfig,
    derived,
)
from malsori.models.espnet_params import PATH, construct, load_class
from malsori.models.voice import (
    Analysis,
    Conditions,
    Controls,
    Move,
    Prosody,
    Speech,
    VoiceContext,
)
from malsori.modules.features import Features


class EspnetModel(nn.Module):
    """One of ESPnet's classes, playing both sides; see ``CompleteModel``.

    Args:
        config: Settings.
        context: What the data decides.
    """

    name: ClassVar[str]
    """In the registry."""
    target: ClassVar[tuple[str, str]]
    """Module and class in ESPnet."""
    spoken_by: ClassVar[str] = "generator_params"
    """Which of the settings hold the numbers of speakers and languages."""
    mel_loss: ClassVar[str]
    """ESPnet's name of the statistic for the distance of segments in mel."""

    def __init__(self, config: EspnetConfig, context: VoiceContext) -> None:
        super().__init__()
        config.check(context.audio)
        self.audio = context.audio
        self.order = ("generator", "discriminator")[:: 1 if config.generator_first else -1]
        found = derived(
            config, context, self._symbols(context), self._feature_bands(), self.spoken_by
        )
        self.tts: Any = construct(load_class(*self.target, self.name), config.params, found)
        made = self._vocoder.upsample_factor
        if made != self.audio.hop:
            raise ConfigError(
                f"{PATH}: these upsampling scales make {made} samples a frame, but audio.hop is "
                f"{self.audio.hop}; their product must equal the hop"
            )
        self.validation_losses: tuple[str, ...] = ("loss", self.mel_loss)

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """Generator and discriminator in the order of their turns."""
        return {player: getattr(self.tts, player) for player in self.order}

    @property
    def uses_style(self) -> bool:
        """Whether the voice has style tokens."""
        return bool(getattr(self._text_part, "use_gst", False))

    def moves(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Iterator[Move]:
        """Yield each player's move; the second reads what the generator made for the first."""
        inputs = self._inputs(tokens, token_lengths, features, conditions)
        try:
            for player in self.order:
                yield self._move(player, inputs)
        finally:
            self._forget()

    def losses(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> dict[str, Tensor]:
        """Return the generator's losses by ESPnet's names, weighted as there, and their sum."""
        inputs = self._inputs(tokens, token_lengths, features, conditions)
        try:
            move = self._move("generator", inputs)
        finally:
            self._forget()
        return {**move.shown, "loss": move.loss}

    def synthesize(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Speech:
        """Return speech for tokens, one utterance after the other; pitch and energy are NaN.

        Raises:
            MalsoriError: It is asked for what ESPnet's ``inference`` cannot do.
        """
        if prosody is not None or not (controls or Controls()).are_neutral:
            raise MalsoriError(
                f"{self.name}: speaks with its own durations, pitch and energy only; ESPnet's "
                "inference has no controls"
            )
        lengths = token_lengths.tolist()
        conditions = conditions or Conditions()
        if conditions.embedding is not None:  # of one, or one for all
            vectors = conditions.embedding.expand(len(lengths), -1)
            conditions = replace(conditions, embedding=vectors)
        wavs, durations = [], []
        for i, length in enumerate(lengths):
            told = self.tts.inference(text=tokens[i, :length], **self._asked(i, conditions))
            wavs.append(told["wav"].reshape(-1).float())
            durations.append(self._durations(told, length))
        pad = nn.utils.rnn.pad_sequence
        frames = F.pad(pad(durations, True), (0, tokens.shape[1] - max(lengths)))
        unknown = torch.full(frames.shape, torch.nan, device=tokens.device)
        return Speech(
            wav=pad(wavs, True),
            wav_lengths=torch.tensor([len(wav) for wav in wavs], device=tokens.device),
            prosody=Prosody(durations=frames, pitch=unknown, energy=unknown),
        )

    @property
    def _text_part(self) -> Any:
        """Return the network that reads text."""
        return self.tts.generator

    @property
    def _vocoder(self) -> Any:
        """Return the network that knows how many samples a frame makes."""
        return self.tts.generator

    @property
    def _window_owner(self) -> Any:
        """Return the object that knows the length of segments."""
        return self.tts.generator

    def _feature_bands(self) -> int:
        return self.audio.mel_bands

    def _symbols(self, context: VoiceContext) -> int:
        return context.tokens

    def _features(self, features: Features) -> dict[str, Tensor]:
        """Return what the class reads of recordings beside their waveform."""
        return {"feats": features.mel, "feats_lengths": features.mel_lengths}

    def _durations(self, told: Mapping[str, Tensor], length: int) -> Tensor:
        """Return frames per token, (N,), from what ESPnet's ``inference`` tells."""
        return told["duration"].reshape(-1)[:length].long()

    def _inputs(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> dict[str, Tensor]:
        """Return a batch by ESPnet's names.

        The waveform is padded to whole frames: the last window may end behind its last sample.
        """
        whole = features.mel.shape[1] * self.audio.hop
        return {
            "text": tokens,
            "text_lengths": token_lengths,
            "speech": F.pad(features.wav, (0, max(0, whole - features.wav.shape[1]))),
            "speech_lengths": features.wav_lengths,
            **self._features(features),
            **self._who(conditions),
        }

    def _who(self, conditions: Conditions, rows: slice = slice(None)) -> dict[str, Tensor]:
        """Return speakers and languages, where the network has several, and speaker vectors."""
        tts = self.tts
        told = {
            "sids": (tts.spks, conditions.speaker, "has several sids; choose one"),
            "lids": (tts.langs, conditions.language, "has several lids; choose one"),
            "spembs": (tts.spk_embed_dim, conditions.embedding, "needs a speaker vector"),
        }
        found = {}
        for key, (wanted, value, missing) in told.items():
            if wanted is not None and value is None:
                raise MalsoriError(f"{self.name}: {missing}")
            if wanted is not None and value is not None:
                found[key] = value[rows]
        return found

    def _asked(self, row: int, conditions: Conditions) -> dict[str, Tensor]:
        """Return what ``inference`` wants to know besides the text."""
        asked = self._who(conditions, slice(row, row + 1))
        if "spembs" in asked:
            asked["spembs"] = asked["spembs"][0]
        if self.uses_style:
            mel, lengths = conditions.style_mel, conditions.style_mel_lengths
            if mel is None or lengths is None:
                raise MalsoriError(f"{self.name}: speaks in the style of a recording; give one")
            at = row if len(mel) > 1 else 0
            asked["feats"] = mel[at, : int(lengths[at])]
        return asked

    def _move(self, player: str, inputs: Mapping[str, Tensor]) -> Move:
        with self._segments_inside(inputs["feats_lengths"]):
            told = self.tts(**inputs, forward_generator=player == "generator")
        shown = {
            name: value.detach().reshape(())
            for name, value in told["stats"].items()
            if isinstance(value, Tensor)
        }
        return Move(player=player, loss=told["loss"].reshape(()), shown=shown)

    @contextmanager
    def _segments_inside(self, lengths: Tensor) -> Iterator[None]:
        """Let segments be no longer than the shortest utterance inside the block."""
        owner = self._window_owner
        usual = owner.segment_size
        owner.segment_size = min(usual, int(lengths.min()))
        try:
            yield
        finally:
            owner.segment_size = usual

    def _forget(self) -> None:
        """Drop what the class keeps for the next turn: there is none, or it is of another batch."""
        self.tts._cache = None


class EspnetJets(EspnetModel):
    """ESPnet's JETS, which also aligns."""

    name = "espnet.jets"
    target = ("espnet2.gan_tts.jets", "JETS")
    mel_loss = "generator_g_mel_loss"

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens."""
        with self._segments_inside(features.mel_lengths):
            made = self.tts.generator(
                text=tokens,
                text_lengths=token_lengths,
                **self._features(features),
                **self._who(conditions),
            )
        _, _, log_p, _, _, durations, _, mean_pitch, _, mean_energy = made
        prosody = Prosody(
            durations=durations.long(),
            pitch=mean_pitch.squeeze(-1),
            energy=mean_energy.squeeze(-1),
        )
        return Analysis(prosody, log_p)

    def _features(self, features: Features) -> dict[str, Tensor]:
        return {
            "feats": features.mel,
            "feats_lengths": features.mel_lengths,
            "pitch": features.pitch[..., None],
            "pitch_lengths": features.mel_lengths,
            "energy": features.energy[..., None],
            "energy_lengths": features.mel_lengths,
        }


class EspnetVits(EspnetModel):
    """ESPnet's VITS; it reads linear spectra, not normalised, as ESPnet's recipes have it."""

    name = "espnet.vits"
    target = ("espnet2.gan_tts.vits", "VITS")
    mel_loss = "generator_mel_loss"

    def _feature_bands(self) -> int:
        return self.audio.n_fft // 2 + 1

    def _features(self, features: Features) -> dict[str, Tensor]:
        audio, wav = self.audio, features.wav
        with torch.no_grad(), torch.autocast(wav.device.type, enabled=False):
            padded = reflect_pad(wav.float(), features.wav_lengths, audio.n_fft // 2)
            window = torch.hann_window(audio.window, device=wav.device)
            power = power_spectrum(padded, audio.n_fft, audio.hop, window)  # (B, T, F)
            feats = power.clamp_min(FLOOR).sqrt()
        return {"feats": feats, "feats_lengths": features.mel_lengths}


class EspnetJoint(EspnetModel):
    """ESPnet's text-to-mel model and vocoder trained together."""

    name = "espnet.joint_text2wav"
    target = ("espnet2.gan_tts.joint", "JointText2Wav")
    spoken_by = "text2mel_params"
    mel_loss = "mel_loss"

    def __init__(self, config: EspnetConfig, context: VoiceContext) -> None:
        super().__init__(config, context)
        if not self.tts.use_mel_loss:
            self.validation_losses = ("loss",)

    @property
    def _text_part(self) -> Any:
        return self.tts.generator["text2mel"]

    @property
    def _vocoder(self) -> Any:
        return self.tts.generator["vocoder"]

    @property
    def _window_owner(self) -> Any:
        return self.tts

    def _symbols(self, context: VoiceContext) -> int:
        return context.tokens + 1  # the last one ends the text; our token lists have no such

    def _inputs(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> dict[str, Tensor]:
        """Return a batch by ESPnet's names, the longest text first, as Tacotron wants it."""
        found = super()._inputs(tokens, token_lengths, features, conditions)
        order = token_lengths.argsort(descending=True, stable=True)
        return {name: value[order] for name, value in found.items()}

    def _durations(self, told: Mapping[str, Tensor], length: int) -> Tensor:
        """Return how many frames attend most to each token, (N,)."""
        attention = told["att_w"]
        attention = attention.reshape(-1, *attention.shape[-2:]).mean(0)  # over layers and heads
        return torch.bincount(attention[:, :length].argmax(1), minlength=length)


JETS = Entry(
    config=EspnetConfig,
    build=EspnetJets,
    summary="ESPnet's JETS, discriminators and losses its own",
    source="Lim et al. 2022, arXiv:2203.16852",
    extra="espnet",
)
VITS = Entry(
    config=EspnetVitsConfig,
    build=EspnetVits,
    summary="ESPnet's VITS, discriminators and losses its own",
    source="Kim et al. 2021, arXiv:2106.06103",
    extra="espnet",
)
JOINT_TEXT2WAV = Entry(
    config=EspnetJointConfig,
    build=EspnetJoint,
    summary="ESPnet's Tacotron 2 or Transformer with a vocoder, trained together",
    source="Hayashi et al. 2021, arXiv:2110.07840",
    extra="espnet",
)
