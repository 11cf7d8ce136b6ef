#define _GNU_SOURCE
#include "CLinux.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

// Control messages are built by macros that Swift cannot use: one UDP send that the kernel cuts into segments.
ssize_t waldo_send_segmented(int fd, void *bytes, size_t count, uint16_t segment, void *name, socklen_t name_length) {
  char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
  struct iovec vector = {bytes, count};
  struct msghdr message = {0};
  message.msg_name = name;
  message.msg_namelen = name_length;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  memcpy(CMSG_DATA(header), &segment, sizeof segment);
  return sendmsg(fd, &message, 0);
}

// The same without the kernel's help: up to 64 datagrams in one call. Answers how many were sent, or -1.
int waldo_send_batch(int fd, void *bytes, size_t count, size_t segment, void *name, socklen_t name_length) {
  struct mmsghdr messages[64];
  struct iovec vectors[64];
  memset(messages, 0, sizeof messages);
  int number = 0, sent = 0;
  for (size_t start = 0; start < count; start += segment) {
    size_t length = count - start < segment ? count - start : segment;
    vectors[number] = (struct iovec){(char *)bytes + start, length};
    messages[number].msg_hdr.msg_iov = &vectors[number];
    messages[number].msg_hdr.msg_iovlen = 1;
    messages[number].msg_hdr.msg_name = name;
    messages[number].msg_hdr.msg_namelen = name_length;
    if (++number == 64 || start + length >= count) {
      int result = sendmmsg(fd, messages, number, 0);
      if (result < 0) return sent ? sent : -1;
      sent += result;
      if (result < number) return sent;
      number = 0;
    }
  }
  return sent;
}

struct waldo_receiver {
  unsigned int capacity;
  struct mmsghdr messages[64];
  struct iovec vectors[64];
  char controls[64][CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
};

struct waldo_receiver *waldo_receiver_new(void *storage, size_t slot, struct sockaddr_storage *names, unsigned int capacity) {
  struct waldo_receiver *receiver = calloc(1, sizeof *receiver);
  if (!receiver) return NULL;
  receiver->capacity = capacity < 64 ? capacity : 64;
  for (unsigned int i = 0; i < receiver->capacity; i++) {
    receiver->vectors[i] = (struct iovec){(char *)storage + i * slot, slot};
    struct msghdr *message = &receiver->messages[i].msg_hdr;
    message->msg_iov = &receiver->vectors[i];
    message->msg_iovlen = 1;
    message->msg_name = &names[i];
    message->msg_namelen = sizeof names[i];
    message->msg_control = receiver->controls[i];
    message->msg_controllen = sizeof receiver->controls[i];
  }
  return receiver;
}

void waldo_receiver_free(struct waldo_receiver *receiver) { free(receiver); }

// Of how many bytes each the datagrams are that the kernel joined; 0: it joined none.
static unsigned int segment(struct msghdr *message) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) continue;
    int size;
    memcpy(&size, CMSG_DATA(header), sizeof size);
    return size > 0 ? (unsigned int)size : 0;
  }
  return 0;
}

// Mostly one datagram comes: only what the kernel wrote over is prepared again.
int waldo_receive(struct waldo_receiver *receiver, int fd, unsigned int *lengths, unsigned int *segments) {
  int count = recvmmsg(fd, receiver->messages, receiver->capacity, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) {
    struct msghdr *message = &receiver->messages[i].msg_hdr;
    lengths[i] = receiver->messages[i].msg_len;
    segments[i] = segment(message);
    message->msg_namelen = sizeof(struct sockaddr_storage);
    message->msg_controllen = sizeof receiver->controls[i];
  }
  return count;
}

int waldo_join_datagrams(int fd) {
  int one = 1;
  return setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof one);
}

int waldo_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }

// The first version of the kernel's struct sched_attr; glibc 2.36 has neither it nor the calls.
int waldo_shorten_slice(uint64_t nanoseconds) {
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {0};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return -1;
  if (attributes.policy != 0) return 0;  // not SCHED_OTHER: somebody chose
  attributes.flags |= 1;                 // SCHED_FLAG_RESET_ON_FORK
  attributes.runtime = nanoseconds;
  return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

uint32_t waldo_round_trip(int fd) {
  struct tcp_info info = {0};
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? info.tcpi_rtt : 0;
}
