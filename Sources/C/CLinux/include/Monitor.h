// What the usage monitor asks of Linux: packet rings, input devices, children without rights. Macros and structures of kernel headers
// that Swift cannot import stay behind these.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: packets

// The kernel's struct sock_filter.
struct waldo_filter_instruction {
  uint16_t code;
  uint8_t jump_true, jump_false;
  uint32_t k;
};

// A packet socket that has not been bound, so that nothing has reached it: -1 on failure.
int waldo_packet_socket(void);
int waldo_packet_filter(int fd, const struct waldo_filter_instruction *instructions, uint16_t count);
// A ring of TPACKET_V3 blocks, mapped; NULL on failure. A block is handed over when it is full, or so many milliseconds after it was begun.
void *waldo_packet_ring(int fd, uint32_t block_size, uint32_t blocks, uint32_t retire_milliseconds);
// All protocols of all interfaces, from now on.
int waldo_packet_bind(int fd);
// Packets that found the ring full since the last call; -1 on failure.
int64_t waldo_packet_drops(int fd);
// What is wrong with a socket, and no longer from then on (SO_ERROR).
int waldo_socket_error(int fd);

struct waldo_packet_block {
  uint32_t packets;
  uint32_t first_offset;
};
struct waldo_packet {
  // The next packet's place behind this one's; 0: the last.
  uint32_t next_offset;
  // Of the network layer's bytes behind the packet's place.
  uint32_t offset;
  uint32_t captured, wire_length;
  // Unix time.
  int64_t nanoseconds;
  int32_t interface;
  int32_t is_outgoing, is_loopback;
};
// The block's state word: its low bit says that it is ours. Its other fields may be read only then.
size_t waldo_packet_block_status_offset(void);
struct waldo_packet_block waldo_packet_block_read(const void *block);
struct waldo_packet waldo_packet_read(const void *packet);
// Bytes in front of each packet.
size_t waldo_packet_header_size(void);

// MARK: input devices

// The bits that a device has of an event type (0: the types themselves): the number of bytes written, or -1.
int waldo_input_bits(int fd, int type, void *bits, size_t size);
// An axis' least and greatest value.
int waldo_input_axis(int fd, int axis, int32_t *minimum, int32_t *maximum);
int waldo_input_name(int fd, char *name, size_t size);
// Of the older interface (js*): which axes and buttons it has, by their event codes. The counts, or -1.
int waldo_joystick_axes(int fd, uint8_t *codes, size_t capacity);
int waldo_joystick_buttons(int fd, uint16_t *codes, size_t capacity);
int waldo_joystick_name(int fd, char *name, size_t size);

// MARK: children

// Starts a program (looked for in PATH) in a process group of its own, its standard descriptors the three given, everything else closed, all
// signals as usual; killed when the calling thread ends. Unless it keeps the rights of this process, it has no ambient or inheritable
// capabilities, and CAP_NET_RAW can never come back to it. The pid, or minus an error number: also that of a program that cannot be run.
pid_t waldo_spawn(char *const arguments[], char *const environment[], int input, int output, int error, int keeps_rights);
// A descriptor that is readable when the child has ended; -1 on failure.
int waldo_pidfd(pid_t pid);
// Takes up what an ended child left: 0 and its exit status (128 + the signal that ended it), 1: it has not ended, -1 on failure.
int waldo_reap(pid_t pid, int32_t *status);

// MARK: shared memory

// A file without a name in this folder, to be given one by linkat when it is whole (O_TMPFILE); -1 on failure.
int waldo_unnamed_file(const char *folder, mode_t mode);

// MARK: memory

// Lets go of the pages of the program's own file that are mapped now, code and constants: those that are needed come again, from the page cache.
void waldo_release_program(void);
