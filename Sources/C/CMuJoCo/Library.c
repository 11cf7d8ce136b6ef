#include "Library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct waldo_mujoco waldo_mujoco;
__thread jmp_buf waldo_guard_place;
__thread int waldo_is_guarded;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_open;
static int warnings;
static char newest[500];

void waldo_say(char *message, int capacity, const char *format, ...) {
  if (capacity <= 0) return;
  va_list values;
  va_start(values, format);
  vsnprintf(message, (size_t)capacity, format, values);
  va_end(values);
}

static void note(const char *text) {
  pthread_mutex_lock(&mutex);
  warnings++;
  waldo_say(newest, sizeof newest, "%s", text);
  pthread_mutex_unlock(&mutex);
}

// MuJoCo's own handlers write a file into the working directory.
static void give_up(const char *text) {
  note(text);
  if (waldo_is_guarded) longjmp(waldo_guard_place, 1);
  fprintf(stderr, "waldo: MuJoCo cannot go on: %s\n", text);
  abort();
}

int waldo_mujoco_warnings(char *message, int capacity) {
  pthread_mutex_lock(&mutex);
  int count = warnings;
  waldo_say(message, capacity, "%s", newest);
  pthread_mutex_unlock(&mutex);
  return count;
}

const char *waldo_mujoco_built(void) {
  static char path[1024];
  pthread_mutex_lock(&mutex);
  if (!path[0]) {
    // This file's path without Sources/C/CMuJoCo/Library.c.
    char folder[900] = __FILE__;
    for (int level = 0; level < 4; level++) {
      char *slash = strrchr(folder, '/');
      if (slash) *slash = 0;
    }
    snprintf(path, sizeof path, "%s/.build-deps/mujoco/libmujoco.so", folder);
  }
  pthread_mutex_unlock(&mutex);
  return path;
}

static int open_library(const char *path, char *message, int capacity) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    waldo_say(message, capacity, "%s", dlerror());
    return WALDO_MISSING;
  }
#define USE(name)                                                          \
  waldo_mujoco.name = (__typeof__(name) *)dlsym(library, #name);           \
  if (!waldo_mujoco.name) {                                                \
    waldo_say(message, capacity, "%s has no function " #name, path);       \
    dlclose(library);                                                      \
    return WALDO_MISFIT;                                                   \
  }
  WALDO_MUJOCO_FUNCTIONS(USE)
#undef USE
  int version = waldo_mujoco.mj_version();
  if (version != mjVERSION_HEADER) {
    waldo_say(message, capacity, "%s is version %d, this program was made for %d", path, version, mjVERSION_HEADER);
    dlclose(library);
    return WALDO_MISFIT;
  }
  void (**on_error)(const char *) = dlsym(library, "mju_user_error");
  void (**on_warning)(const char *) = dlsym(library, "mju_user_warning");
  if (on_error) *on_error = give_up;
  if (on_warning) *on_warning = note;
  return WALDO_DONE;
}

int waldo_mujoco_open(const char *path, char *message, int capacity) {
  pthread_mutex_lock(&mutex);
  int outcome = is_open ? WALDO_DONE : open_library(path, message, capacity);
  is_open = outcome == WALDO_DONE;
  pthread_mutex_unlock(&mutex);
  return outcome;
}
