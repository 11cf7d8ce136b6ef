// Linux calls that the Glibc module lacks. What needs _GNU_SOURCE is compiled here, behind plain prototypes:
// the macro in a header would change types that Glibc's own module already defines.
#pragma once
#include <ifaddrs.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>

// One UDP send that the kernel cuts into segments (UDP_SEGMENT).
ssize_t waldo_send_segmented(int fd, void *bytes, size_t count, uint16_t segment, void *name, socklen_t name_length);
// The same with sendmmsg. Answers how many datagrams were sent, or -1.
int waldo_send_batch(int fd, void *bytes, size_t count, size_t segment, void *name, socklen_t name_length);
// Up to `capacity` (at most 64) datagrams into slots of `slot` bytes with recvmmsg. Answers how many came, or -1.
int waldo_receive_batch(
    int fd, void *storage, size_t slot, struct sockaddr_storage *names, unsigned int *lengths, unsigned int capacity);
// Names the calling thread, 15 characters at most.
int waldo_name_thread(const char *name);
