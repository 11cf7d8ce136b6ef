#include "virtualtime.h"
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

static _Atomic int64_t now_microseconds = -1;

void virtual_time_set(int64_t microseconds) { atomic_store(&now_microseconds, microseconds); }

void virtual_time_off(void) { atomic_store(&now_microseconds, -1); }

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  (void)zone;
  int64_t now = atomic_load(&now_microseconds);
  if (now < 0) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    tv->tv_sec = real.tv_sec;
    tv->tv_usec = real.tv_nsec / 1000;
  } else {
    tv->tv_sec = now / 1000000;
    tv->tv_usec = now % 1000000;
  }
  return 0;
}
