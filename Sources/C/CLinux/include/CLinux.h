// Linux calls that the Glibc module lacks. What needs _GNU_SOURCE is compiled here, behind plain prototypes:
// the macro in a header would change types that Glibc's own module already defines.
#pragma once
#include <ifaddrs.h>
#include <malloc.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "Monitor.h"

// One UDP send that the kernel cuts into segments (UDP_SEGMENT).
ssize_t waldo_send_segmented(int fd, void *bytes, size_t count, uint16_t segment, void *name, socklen_t name_length);
// The same with sendmmsg. Answers how many datagrams were sent, or -1.
int waldo_send_batch(int fd, void *bytes, size_t count, size_t segment, void *name, socklen_t name_length);
// Receives up to `capacity` (at most 64) datagrams at a time, each into its slot of `slot` bytes, with recvmmsg. NULL: no memory.
struct waldo_receiver;
struct waldo_receiver *waldo_receiver_new(void *storage, size_t slot, struct sockaddr_storage *names, unsigned int capacity);
void waldo_receiver_free(struct waldo_receiver *receiver);
// Answers how many slots were filled, or -1. Where `segments` is not 0, the slot holds datagrams of that size, the last may be shorter.
int waldo_receive(struct waldo_receiver *receiver, int fd, unsigned int *lengths, unsigned int *segments);
// Lets the kernel join datagrams of one sender and size on the way in (UDP_GRO, Linux 5.0). Answers -1 where it cannot.
int waldo_join_datagrams(int fd);
// Names the calling thread, 15 characters at most.
int waldo_name_thread(const char *name);
// Asks the scheduler for short turns of the calling thread, which then come sooner (Linux 6.12; ignored before). Threads that it makes
// have the usual ones. Answers -1 where the kernel refuses.
int waldo_shorten_slice(uint64_t nanoseconds);
// The smoothed round trip of a TCP connection in microseconds (TCP_INFO); 0: not known.
uint32_t waldo_round_trip(int fd);
