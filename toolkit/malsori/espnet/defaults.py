"""What ESPnet's constructors take where a config says nothing, and what does not change speech.

Source: the signatures of JETSGenerator, JETS, VITSGenerator, LogMelFbank, LinearSpectrogram, Dio,
Energy, GlobalMVN and HiFi-GAN's discriminators in ESPnet 202511. The command line's own settings
that earlier versions had and this one has not (``ngpu``, ``use_lora``, ``required``) are among
those of training.
"""

from __future__ import annotations

from typing import Any

GENERATOR: dict[str, Any] = {
    "adim": 256,
    "aheads": 2,
    "elayers": 4,
    "eunits": 1024,
    "dlayers": 4,
    "dunits": 1024,
    "positionwise_layer_type": "conv1d",
    "positionwise_conv_kernel_size": 1,
    "use_scaled_pos_enc": True,
    "encoder_normalize_before": True,
    "decoder_normalize_before": True,
    "encoder_concat_after": False,
    "decoder_concat_after": False,
    "encoder_type": "transformer",
    "decoder_type": "transformer",
    "transformer_enc_dropout_rate": 0.1,
    "transformer_enc_positional_dropout_rate": 0.1,
    "transformer_enc_attn_dropout_rate": 0.1,
    "transformer_dec_dropout_rate": 0.1,
    "transformer_dec_positional_dropout_rate": 0.1,
    "transformer_dec_attn_dropout_rate": 0.1,
    "conformer_rel_pos_type": "legacy",
    "conformer_pos_enc_layer_type": "rel_pos",
    "conformer_self_attn_layer_type": "rel_selfattn",
    "conformer_activation_type": "swish",
    "use_macaron_style_in_conformer": True,
    "use_cnn_in_conformer": True,
    "zero_triu": False,
    "conformer_enc_kernel_size": 7,
    "conformer_dec_kernel_size": 31,
    "duration_predictor_layers": 2,
    "duration_predictor_chans": 384,
    "duration_predictor_kernel_size": 3,
    "duration_predictor_dropout_rate": 0.1,
    "energy_predictor_layers": 2,
    "energy_predictor_chans": 384,
    "energy_predictor_kernel_size": 3,
    "energy_predictor_dropout": 0.5,
    "energy_embed_kernel_size": 9,
    "energy_embed_dropout": 0.5,
    "stop_gradient_from_energy_predictor": False,
    "pitch_predictor_layers": 2,
    "pitch_predictor_chans": 384,
    "pitch_predictor_kernel_size": 3,
    "pitch_predictor_dropout": 0.5,
    "pitch_embed_kernel_size": 9,
    "pitch_embed_dropout": 0.5,
    "stop_gradient_from_pitch_predictor": False,
    "spks": None,
    "langs": None,
    "spk_embed_dim": None,
    "spk_embed_integration_type": "add",
    "use_gst": False,
    "gst_tokens": 10,
    "gst_heads": 4,
    "gst_conv_layers": 6,
    "gst_conv_chans_list": (32, 32, 64, 64, 128, 128),
    "gst_conv_kernel_size": 3,
    "gst_conv_stride": 2,
    "gst_gru_layers": 1,
    "gst_gru_units": 128,
    "segment_size": 64,
    "generator_out_channels": 1,
    "generator_channels": 512,
    "generator_kernel_size": 7,
    "generator_upsample_scales": [8, 8, 2, 2],
    "generator_upsample_kernel_sizes": [16, 16, 4, 4],
    "generator_resblock_kernel_sizes": [3, 7, 11],
    "generator_resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "generator_use_additional_convs": True,
    "generator_bias": True,
    "generator_nonlinear_activation": "LeakyReLU",
    "generator_nonlinear_activation_params": {"negative_slope": 0.1},
}
"""Keyword defaults of ``JETSGenerator``: they hold for what ``generator_params`` leaves out."""
GENERATOR_WITHOUT_PARAMS: dict[str, Any] = {
    **GENERATOR,
    "conformer_rel_pos_type": "latest",
    "energy_embed_kernel_size": 1,
    "pitch_predictor_layers": 5,
    "pitch_predictor_kernel_size": 5,
    "pitch_embed_kernel_size": 1,
    "stop_gradient_from_pitch_predictor": True,
    "spks": -1,
    "langs": -1,
}
"""Default of ``JETS`` for ``generator_params`` as a whole."""
VITS: dict[str, Any] = {
    "hidden_channels": 192,
    "spks": None,
    "langs": None,
    "spk_embed_dim": None,
    "global_channels": -1,
    "segment_size": 32,
    "text_encoder_attention_heads": 2,
    "text_encoder_ffn_expand": 4,
    "text_encoder_blocks": 6,
    "text_encoder_positionwise_layer_type": "conv1d",
    "text_encoder_positionwise_conv_kernel_size": 1,
    "text_encoder_positional_encoding_layer_type": "rel_pos",
    "text_encoder_self_attention_layer_type": "rel_selfattn",
    "text_encoder_activation_type": "swish",
    "text_encoder_normalize_before": True,
    "text_encoder_dropout_rate": 0.1,
    "text_encoder_positional_dropout_rate": 0.0,
    "text_encoder_attention_dropout_rate": 0.0,
    "text_encoder_conformer_kernel_size": 7,
    "use_macaron_style_in_text_encoder": True,
    "use_conformer_conv_in_text_encoder": True,
    "decoder_kernel_size": 7,
    "decoder_channels": 512,
    "decoder_upsample_scales": [8, 8, 2, 2],
    "decoder_upsample_kernel_sizes": [16, 16, 4, 4],
    "decoder_resblock_kernel_sizes": [3, 7, 11],
    "decoder_resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "posterior_encoder_kernel_size": 5,
    "posterior_encoder_layers": 16,
    "posterior_encoder_stacks": 1,
    "posterior_encoder_base_dilation": 1,
    "posterior_encoder_dropout_rate": 0.0,
    "flow_flows": 4,
    "flow_kernel_size": 5,
    "flow_base_dilation": 1,
    "flow_layers": 4,
    "flow_dropout_rate": 0.0,
    "use_only_mean_in_flow": True,
    "stochastic_duration_predictor_kernel_size": 3,
    "stochastic_duration_predictor_dropout_rate": 0.5,
    "stochastic_duration_predictor_flows": 4,
    "stochastic_duration_predictor_dds_conv_layers": 3,
}
"""Keyword defaults of ``VITSGenerator``, which are those of ``VITS`` as well."""
VITS_GENERATOR_NO_EFFECT = (
    "use_weight_norm_in_decoder",
    "use_weight_norm_in_posterior_encoder",
    "use_weight_norm_in_flow",
)
"""That weight norm is not there, weights show."""
GENERATOR_NO_EFFECT = (
    "use_batch_norm",
    "reduction_factor",
    "generator_global_channels",
    "generator_use_weight_norm",
    "init_type",
    "init_enc_alpha",
    "init_dec_alpha",
    "use_masking",
    "use_weighted_masking",
)
"""Never read, or read only before or in training; that weight norm is not there, weights show."""
JETS_NO_EFFECT = (
    "generator_adv_loss_params",
    "discriminator_adv_loss_params",
    "feat_match_loss_params",
    "mel_loss_params",
    "lambda_adv",
    "lambda_mel",
    "lambda_feat_match",
    "lambda_var",
    "lambda_align",
    "cache_generator_outputs",
    "plot_pred_mos",
    "mos_pred_tool",
)
"""Losses and the trainer's cache."""
VITS_NO_EFFECT = (
    *(key for key in JETS_NO_EFFECT if key not in ("lambda_var", "lambda_align")),
    "lambda_dur",
    "lambda_kl",
)
"""Likewise."""
SCALE_DISCRIMINATOR: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "kernel_sizes": [15, 41, 5, 3],
    "channels": 128,
    "max_downsample_channels": 1024,
    "max_groups": 16,
    "bias": True,
    "downsample_scales": [2, 2, 4, 4, 1],
    "nonlinear_activation": "LeakyReLU",
    "nonlinear_activation_params": {"negative_slope": 0.1},
    "use_weight_norm": True,
    "use_spectral_norm": False,
}
PERIOD_DISCRIMINATOR: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "kernel_sizes": [5, 3],
    "channels": 32,
    "downsample_scales": [3, 3, 3, 3, 1],
    "max_downsample_channels": 1024,
    "bias": True,
    "nonlinear_activation": "LeakyReLU",
    "nonlinear_activation_params": {"negative_slope": 0.1},
    "use_weight_norm": True,
    "use_spectral_norm": False,
}
POOLING: dict[str, Any] = {"kernel_size": 4, "stride": 2, "padding": 2}
DISCRIMINATOR: dict[str, Any] = {
    "scales": 3,
    "scale_downsample_pooling": "AvgPool1d",
    "scale_downsample_pooling_params": POOLING,
    "scale_discriminator_params": SCALE_DISCRIMINATOR,
    "follow_official_norm": True,
    "periods": [2, 3, 5, 7, 11],
    "period_discriminator_params": PERIOD_DISCRIMINATOR,
}
"""Keyword defaults of the ensemble of scale and period discriminators."""
DISCRIMINATOR_WITHOUT_PARAMS: dict[str, Any] = {
    **DISCRIMINATOR,
    "scales": 1,
    "follow_official_norm": False,
}
"""Default of ``JETS`` for ``discriminator_params`` as a whole."""
MEL: dict[str, Any] = {
    "fs": 16000,
    "n_fft": 1024,
    "win_length": None,
    "hop_length": 256,
    "window": "hann",
    "center": True,
    "normalized": False,
    "onesided": True,
    "n_mels": 80,
    "fmin": 80,
    "fmax": 7600,
    "htk": False,
    "log_base": 10.0,
}
LINEAR: dict[str, Any] = {
    "n_fft": 1024,
    "win_length": None,
    "hop_length": 256,
    "window": "hann",
    "center": True,
    "normalized": False,
    "onesided": True,
}
PITCH: dict[str, Any] = {
    "fs": 22050,
    "n_fft": 1024,
    "hop_length": 256,
    "f0min": 80,
    "f0max": 400,
    "use_continuous_f0": True,
    "use_log_f0": True,
}
ENERGY: dict[str, Any] = {
    "fs": 22050,
    "n_fft": 1024,
    "win_length": None,
    "hop_length": 256,
    "window": "hann",
    "center": True,
    "normalized": False,
    "onesided": True,
}
NORMALISATION: dict[str, Any] = {"norm_means": True, "norm_vars": True, "eps": 1.0e-20}

CONFIG: dict[str, Any] = {
    "tts": None,
    "tts_conf": {},
    "token_list": None,
    "odim": None,
    "use_preprocessor": True,
    "token_type": "phn",
    "bpemodel": None,
    "non_linguistic_symbols": None,
    "cleaner": None,
    "g2p": None,
    "feats_extract": "linear_spectrogram",
    "feats_extract_conf": {},
    "normalize": None,
    "normalize_conf": {},
    "pitch_extract": None,
    "pitch_extract_conf": {},
    "pitch_normalize": None,
    "pitch_normalize_conf": {},
    "energy_extract": None,
    "energy_extract_conf": {},
    "energy_normalize": None,
    "energy_normalize_conf": {},
}
"""Defaults of the GAN TTS task for what decides about speech."""
_TRAINING = """
accum_grad adapter adapter_conf allow_multi_rates allow_variable_data_keys batch_bins batch_size
batch_type best_model_criterion category_sample_size category_upsampling_factor
chunk_default_fs chunk_discard_short_samples chunk_excluded_key_prefixes chunk_length
chunk_max_abs_length chunk_shift_ratio collect_stats config create_graph_in_tensorboard
cudnn_benchmark cudnn_deterministic cudnn_enabled dataset_scaling_factor
dataset_upsampling_factor ddp_comm_hook deepspeed_config detect_anomaly dist_backend
dist_init_method dist_launcher dist_master_addr dist_master_port dist_rank dist_world_size
distributed drop_last_iter dry_run early_stopping_criterion exclude_weight_decay
exclude_weight_decay_conf fold_length freeze_param generator_first grad_clip grad_clip_type
grad_noise gradient_as_bucket_view ignore_init_mismatch init_param iterator_type
keep_nbest_models local_rank log_interval log_level max_batch_size max_cache_fd max_cache_size
max_epoch min_batch_size model_conf multi_task_dataset multiple_iterator
multiprocessing_distributed nbest_averaging_interval ngpu no_forward_run num_att_plot
num_cache_chunks num_iters_per_epoch num_workers optim optim2 optim2_conf optim_conf output_dir
patience pretrain_path print_config required resume save_strategy scheduler scheduler2
scheduler2_conf scheduler_conf seed sharded_ddp shuffle_within_batch skip_discriminator_prob
sort_batch sort_in_batch train_data_path_and_name_and_type train_dtype train_shape_file
unused_parameters upsampling_factor use_adapter use_amp use_deepspeed use_lora use_matplotlib
use_tensorboard use_tf32 use_wandb val_scheduler_criterion valid_batch_bins
valid_batch_size valid_batch_type valid_data_path_and_name_and_type valid_iterator_type
valid_max_cache_size valid_shape_file version wandb_entity wandb_id wandb_model_log_interval
wandb_name wandb_project write_collected_feats
"""
TRAINING = frozenset(_TRAINING.split())
"""Settings of the trainer, of data and of logs: they do not change what a voice says."""
