// zlib 1.2.13.
#pragma once
#include <zlib.h>
