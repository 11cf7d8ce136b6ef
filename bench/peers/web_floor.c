// The least that a server of one thread can do: an epoll loop, one recv and one send for what came, no rule of any protocol looked at.
// What it takes is what the kernel takes. usage: web_floor PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char isWebSocket[65536], isListening[65536];
static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: 12345\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: "
    "no-referrer\r\nContent-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\nVary: Origin\r\nContent-Length: 28\r\nDate: "
    "Fri, 20 Nov 2026 16:05:28 GMT\r\n\r\n{\"hello\":\"world\",\"number\":3}";

static void upgrade(int fd, char *head) {
  char *key = strcasestr(head, "sec-websocket-key: ") + 19, text[128], accept[64], out[256];
  unsigned char digest[20];
  sprintf(text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  EVP_Digest(text, strlen(text), digest, NULL, EVP_sha1(), NULL);
  EVP_EncodeBlock((unsigned char *)accept, digest, 20);
  int n = sprintf(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
  send(fd, out, n, MSG_NOSIGNAL);
  isWebSocket[fd] = 1;
  isListening[fd] = strstr(head, "/broadcast") != NULL;
}

static void broadcast(void) {
  char frame[204] = {(char)0x81, 126, 0, 200};
  memset(frame + 4, 'x', 200);
  for (int fd = 0; fd < 65536; fd++)
    if (isListening[fd]) send(fd, frame, sizeof frame, MSG_NOSIGNAL);
}

static long long milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
  static char in[65536 + 1], out[1 << 20];
  int port = atoi(argv[1]), one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, 4);
  if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) return 1;
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
  epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
  printf("ready\n");
  fflush(stdout);
  for (long long next = milliseconds();;) {
    long long wait = next - milliseconds();
    int count = epoll_wait(poll, events, 256, wait > 0 ? wait : 0);
    if (milliseconds() >= next) broadcast(), next += 100;
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, 4);
          event.data.fd = fd;
          isWebSocket[fd] = isListening[fd] = 0;
          epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
        continue;
      }
      ssize_t n = recv(fd, in, 65536, 0), used = 0, made = 0;
      if (n <= 0) {
        if (n == 0) isListening[fd] = 0, close(fd);
        continue;
      }
      in[n] = 0;
      if (!isWebSocket[fd]) {
        if (strcasestr(in, "upgrade: websocket")) {
          upgrade(fd, in);
          continue;
        }
        for (char *end = in; (end = strstr(end, "\r\n\r\n")); end += 4) {
          memcpy(out + made, answer, sizeof answer - 1);
          made += sizeof answer - 1;
        }
      } else {
        while (n - used >= 6) {
          unsigned char *frame = (void *)(in + used);
          size_t length = frame[1] & 127;
          if (length > 125 || n - used < 6 + length) break;
          out[made++] = frame[0], out[made++] = length;
          for (size_t k = 0; k < length; k++) out[made + k] = frame[6 + k] ^ frame[2 + (k & 3)];
          made += length, used += 6 + length;
        }
      }
      send(fd, out, made, MSG_NOSIGNAL);
    }
  }
}
