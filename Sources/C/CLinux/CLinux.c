#define _GNU_SOURCE
#include "CLinux.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
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

// Up to `capacity` (at most 64) datagrams into slots of `slot` bytes. Answers how many came, or -1.
int waldo_receive_batch(
    int fd, void *storage, size_t slot, struct sockaddr_storage *names, unsigned int *lengths, unsigned int capacity) {
  struct mmsghdr messages[64];
  struct iovec vectors[64];
  memset(messages, 0, sizeof messages);
  for (unsigned int i = 0; i < capacity; i++) {
    vectors[i] = (struct iovec){(char *)storage + i * slot, slot};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &names[i];
    messages[i].msg_hdr.msg_namelen = sizeof names[i];
  }
  int count = recvmmsg(fd, messages, capacity, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) lengths[i] = messages[i].msg_len;
  return count;
}

int waldo_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }
