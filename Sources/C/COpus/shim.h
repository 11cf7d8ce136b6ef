// libopus 1.3. Its control call is variadic, which Swift cannot call.
#pragma once
#include <opus/opus.h>

static inline int waldo_opus_set(OpusEncoder *encoder, int request, opus_int32 value) {
  return opus_encoder_ctl(encoder, request, value);
}
