// Puts libraries that ask gettimeofday (libssl, usrsctp) on a test's clock. Linked into test programs only: a program's own
// gettimeofday stands before the C library's in symbol lookup.
#pragma once
#include <stdint.h>

// From now on gettimeofday answers this many microseconds since 1970.
void virtual_time_set(int64_t microseconds);
// Back to the real clock.
void virtual_time_off(void);
