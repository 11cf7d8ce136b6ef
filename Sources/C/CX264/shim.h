// x264: H.264 encoder (GPL). Its header wants <stdint.h> before it, and the name of what opens an encoder is a macro with the build number in it.
#pragma once
#include <stdint.h>
#include <x264.h>

static inline x264_t *waldo_x264_open(x264_param_t *parameters) { return x264_encoder_open(parameters); }
