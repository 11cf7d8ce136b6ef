// libvpx 1.12: VP8. Its control calls are variadic or macros, which Swift cannot call.
#pragma once
#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

static inline vpx_codec_err_t waldo_vpx_control_int(vpx_codec_ctx_t *context, int control, int value) {
  return vpx_codec_control_(context, control, value);
}
static inline vpx_codec_err_t waldo_vp8_encoder_init(vpx_codec_ctx_t *context, const vpx_codec_enc_cfg_t *configuration) {
  return vpx_codec_enc_init(context, vpx_codec_vp8_cx(), configuration, 0);
}
static inline vpx_codec_err_t waldo_vp8_decoder_init(vpx_codec_ctx_t *context) {
  return vpx_codec_dec_init(context, vpx_codec_vp8_dx(), 0, 0);
}
static inline vpx_codec_err_t waldo_vp8_is_corrupt(vpx_codec_ctx_t *context, int *answer) {
  return vpx_codec_control_(context, VP8D_GET_FRAME_CORRUPTED, answer);
}
