// libyuv: scaling of planar pictures and conversion from and to RGB, in vector code.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <libyuv/convert.h>
#include <libyuv/convert_from.h>
#include <libyuv/scale.h>
