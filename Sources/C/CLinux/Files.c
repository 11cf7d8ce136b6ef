#define _GNU_SOURCE
#include <fcntl.h>

#include "Monitor.h"

int waldo_unnamed_file(const char *folder, mode_t mode) { return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode); }
