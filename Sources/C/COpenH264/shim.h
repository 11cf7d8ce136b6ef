// openh264 2.3: H.264 encoder and decoder (BSD). C form: a pointer to a table of functions.
#pragma once
#include <wels/codec_api.h>
