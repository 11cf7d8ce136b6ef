#include "Library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

struct waldo_sdl waldo_sdl;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_open;

void waldo_sdl_say(char *message, int capacity, const char *format, ...) {
  if (capacity <= 0) return;
  va_list values;
  va_start(values, format);
  vsnprintf(message, (size_t)capacity, format, values);
  va_end(values);
}

static int open_library(const char *path, char *message, int capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    waldo_sdl_say(message, capacity, "SDL is missing (%s)", dlerror());
    return WALDO_WINDOW_NO_LIBRARY;
  }
#define USE(name)                                                              \
  waldo_sdl.name = (__typeof__(name) *)dlsym(library, #name);                  \
  if (!waldo_sdl.name) {                                                       \
    waldo_sdl_say(message, capacity, "%s has no function " #name, path);       \
    dlclose(library);                                                          \
    return WALDO_WINDOW_NO_LIBRARY;                                            \
  }
  WALDO_SDL_FUNCTIONS(USE)
#undef USE
  return WALDO_WINDOW_OPEN;
}

int waldo_sdl_open(const char *library, char *message, int capacity) {
  pthread_mutex_lock(&mutex);
  int outcome = is_open ? WALDO_WINDOW_OPEN : open_library(library, message, capacity);
  is_open = outcome == WALDO_WINDOW_OPEN;
  pthread_mutex_unlock(&mutex);
  return outcome;
}
