#define _GNU_SOURCE
#include <linux/input.h>
#include <linux/joystick.h>
#include <string.h>
#include <sys/ioctl.h>

#include "Monitor.h"

int waldo_input_bits(int fd, int type, void *bits, size_t size) { return ioctl(fd, EVIOCGBIT(type, size), bits); }

int waldo_input_axis(int fd, int axis, int32_t *minimum, int32_t *maximum) {
  struct input_absinfo info;
  if (ioctl(fd, EVIOCGABS(axis), &info) < 0) return -1;
  *minimum = info.minimum;
  *maximum = info.maximum;
  return 0;
}

int waldo_input_name(int fd, char *name, size_t size) { return ioctl(fd, EVIOCGNAME(size), name); }

int waldo_joystick_axes(int fd, uint8_t *codes, size_t capacity) {
  uint8_t count = 0, map[ABS_CNT] = {0};
  if (ioctl(fd, JSIOCGAXES, &count) < 0 || ioctl(fd, JSIOCGAXMAP, map) < 0) return -1;
  size_t number = count < capacity ? count : capacity;
  if (number > sizeof map) number = sizeof map;
  memcpy(codes, map, number);
  return (int)number;
}

int waldo_joystick_buttons(int fd, uint16_t *codes, size_t capacity) {
  uint8_t count = 0;
  uint16_t map[KEY_MAX - BTN_MISC + 1] = {0};
  if (ioctl(fd, JSIOCGBUTTONS, &count) < 0 || ioctl(fd, JSIOCGBTNMAP, map) < 0) return -1;
  size_t number = count < capacity ? count : capacity;
  memcpy(codes, map, number * sizeof *map);
  return (int)number;
}

int waldo_joystick_name(int fd, char *name, size_t size) { return ioctl(fd, JSIOCGNAME(size), name); }
