// The least that a program takes that wakes N times a second: an epoll_wait, and a read of the timer that woke it.
// usage: wake_floor WAKES_A_SECOND
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(int count, char **words) {
    int rate = count == 2 ? atoi(words[1]) : 0;
    if (rate < 1) return 2;
    int timer = timerfd_create(CLOCK_MONOTONIC, 0), poll = epoll_create1(0);
    struct itimerspec times = {{0, 1000000000 / rate}, {0, 1000000000 / rate}};
    struct epoll_event event = {.events = EPOLLIN};
    if (timer < 0 || poll < 0 || timerfd_settime(timer, 0, &times, NULL) || epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event)) return 1;
    puts("ready");
    fflush(stdout);
    for (;;) {
        uint64_t expirations;
        if (epoll_wait(poll, &event, 1, -1) == 1 && read(timer, &expirations, sizeof expirations) != sizeof expirations) return 1;
    }
}
