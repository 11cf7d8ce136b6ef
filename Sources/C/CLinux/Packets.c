#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "Monitor.h"

_Static_assert(sizeof(struct waldo_filter_instruction) == sizeof(struct sock_filter), "an instruction has the kernel's form");

// Protocol 0: not one packet arrives before the socket is bound.
int waldo_packet_socket(void) { return socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int waldo_packet_filter(int fd, const struct waldo_filter_instruction *instructions, uint16_t count) {
  struct sock_fprog program = {count, (struct sock_filter *)instructions};
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

void *waldo_packet_ring(int fd, uint32_t block_size, uint32_t blocks, uint32_t retire_milliseconds) {
  int version = TPACKET_V3;
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return NULL;
  struct tpacket_req3 request = {0};
  request.tp_block_size = block_size;
  request.tp_block_nr = blocks;
  // Version 3 packs packets of any length; the frame size only has to divide the block.
  request.tp_frame_size = 2048;
  request.tp_frame_nr = block_size / 2048 * blocks;
  request.tp_retire_blk_tov = retire_milliseconds;
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) return NULL;
  void *ring = mmap(NULL, (size_t)block_size * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return ring == MAP_FAILED ? NULL : ring;
}

int waldo_packet_bind(int fd) {
  struct sockaddr_ll address = {0};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  return bind(fd, (struct sockaddr *)&address, sizeof address);
}

int64_t waldo_packet_drops(int fd) {
  struct tpacket_stats_v3 statistics;
  socklen_t length = sizeof statistics;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) != 0) return -1;
  return statistics.tp_drops;
}

int waldo_socket_error(int fd) {
  int code = 0;
  socklen_t length = sizeof code;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno;
}

size_t waldo_packet_block_status_offset(void) { return offsetof(struct tpacket_block_desc, hdr.bh1.block_status); }

struct waldo_packet_block waldo_packet_block_read(const void *block) {
  const struct tpacket_block_desc *description = block;
  return (struct waldo_packet_block){description->hdr.bh1.num_pkts, description->hdr.bh1.offset_to_first_pkt};
}

struct waldo_packet waldo_packet_read(const void *place) {
  const struct tpacket3_hdr *header = place;
  struct sockaddr_ll link;
  memcpy(&link, (const char *)place + TPACKET_ALIGN(sizeof *header), sizeof link);
  return (struct waldo_packet){
      .next_offset = header->tp_next_offset,
      .offset = header->tp_net,
      .captured = header->tp_snaplen,
      .wire_length = header->tp_len,
      .nanoseconds = (int64_t)header->tp_sec * 1000000000 + header->tp_nsec,
      .interface = link.sll_ifindex,
      .is_outgoing = link.sll_pkttype == PACKET_OUTGOING,
      .is_loopback = link.sll_hatype == ARPHRD_LOOPBACK,
  };
}

size_t waldo_packet_header_size(void) { return TPACKET_ALIGN(sizeof(struct tpacket3_hdr)) + sizeof(struct sockaddr_ll); }
