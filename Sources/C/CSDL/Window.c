#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "Library.h"

// SDL has one queue of events a process.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int is_taken;

static int take(void) {
  pthread_mutex_lock(&mutex);
  int was_free = !is_taken;
  is_taken = 1;
  pthread_mutex_unlock(&mutex);
  return was_free;
}

static void give_back(void) {
  pthread_mutex_lock(&mutex);
  is_taken = 0;
  pthread_mutex_unlock(&mutex);
}

static int is_set(const char *name) {
  const char *value = getenv(name);
  return value && value[0];
}

// Xlib ends the process when its server is gone, unless it is told what to do instead. It then returns events that it has never read, and SDL
// takes them for real: so neither is returned to. What they hold is never asked for again.
static void note_loss(Display *display, void *lost) {
  (void)display;
  waldo_window *window = lost;
  window->is_lost = 1;
  if (!window->has_way_out) return;
  window->has_way_out = 0;
  longjmp(window->way_out, 1);
}

// Calls of SDL stand between these two: what is after `or` happens where the display is lost, before or meanwhile.
#define BEGIN(window, or) \
  if ((window)->is_lost || setjmp((window)->way_out)) or; \
  (window)->has_way_out = 1
#define END(window) (window)->has_way_out = 0

static int stay_silent(Display *display) {
  (void)display;
  return 0;
}

static void watch_x11(waldo_window *window, Display *display) {
  // SDL has opened it; it stays open as long as SDL is.
  void *library = dlopen("libX11.so.6", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return;
  int (*number_of)(Display *) = (int (*)(Display *))dlsym(library, "XConnectionNumber");
  void (*on_exit)(Display *, XIOErrorExitHandler, void *) =
      (void (*)(Display *, XIOErrorExitHandler, void *))dlsym(library, "XSetIOErrorExitHandler");
  XIOErrorHandler (*on_error)(XIOErrorHandler) = (XIOErrorHandler(*)(XIOErrorHandler))dlsym(library, "XSetIOErrorHandler");
  if (on_exit) on_exit(display, note_loss, window);
  if (on_exit && on_error) on_error(stay_silent);
  if (number_of) window->connection = number_of(display);
  dlclose(library);
}

static void watch_wayland(waldo_window *window, struct wl_display *display) {
  void *library = dlopen("libwayland-client.so.0", RTLD_LAZY | RTLD_NOLOAD);
  if (!library) return;
  int (*number_of)(struct wl_display *) = (int (*)(struct wl_display *))dlsym(library, "wl_display_get_fd");
  if (number_of) window->connection = number_of(display);
  dlclose(library);
}

static void watch(waldo_window *window) {
  SDL_SysWMinfo info;
  memset(&info, 0, sizeof info);
  SDL_VERSION(&info.version);
  window->connection = -1;
  if (!waldo_sdl.SDL_GetWindowWMInfo(window->window, &info)) return;
  if (info.subsystem == SDL_SYSWM_X11) watch_x11(window, info.info.x11.display);
  if (info.subsystem == SDL_SYSWM_WAYLAND) watch_wayland(window, info.info.wl.display);
}

// A display that is gone must not end the process by the next write to it either.
static void ignore_broken_pipes(void) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

static int begin(waldo_window *window, const char *title, int width, int height, char *message, int capacity) {
  ignore_broken_pipes();
  waldo_sdl.SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
  waldo_sdl.SDL_SetHint(SDL_HINT_JOYSTICK_ALLOW_BACKGROUND_EVENTS, "1");
  // Only onto a display that is named: not onto a bare console, and Wayland's library complains aloud where there is none.
  if (!is_set("SDL_VIDEODRIVER")) {
    waldo_sdl.SDL_SetHint(SDL_HINT_VIDEODRIVER, !is_set("WAYLAND_DISPLAY") ? "x11" : is_set("DISPLAY") ? "x11,wayland" : "wayland");
  }
  if (waldo_sdl.SDL_InitSubSystem(SDL_INIT_VIDEO)) {
    waldo_sdl_say(message, capacity, "the display does not answer (%s)", waldo_sdl.SDL_GetError());
    return WALDO_WINDOW_NO_DISPLAY;
  }
  // The picture is made by the processor, and no driver of a graphics card is loaded for it; on Wayland SDL 2 has no other way.
  const char *driver = waldo_sdl.SDL_GetCurrentVideoDriver();
  waldo_sdl.SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, driver && !strcmp(driver, "wayland") ? "1" : "0");
  // Keys are keys here: an input method must not keep them for a text.
  waldo_sdl.SDL_StopTextInput();
  window->has_pads = !waldo_sdl.SDL_InitSubSystem(SDL_INIT_GAMECONTROLLER);
  window->window = waldo_sdl.SDL_CreateWindow(
      title, SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, width, height, SDL_WINDOW_RESIZABLE);
  if (!window->window) {
    waldo_sdl_say(message, capacity, "the window cannot be opened (%s)", waldo_sdl.SDL_GetError());
    return WALDO_WINDOW_REFUSED;
  }
  waldo_sdl.SDL_SetWindowMinimumSize(window->window, 160, 120);
  watch(window);
  // Without a display there is no keyboard that another window could have.
  window->has_focus = window->connection < 0;
  return WALDO_WINDOW_OPEN;
}

static void end(waldo_window *window) {
  waldo_pad_close(window);
  if (window->own) waldo_sdl.SDL_FreeSurface(window->own);
  if (window->window) waldo_sdl.SDL_DestroyWindow(window->window);
  if (window->has_pads) waldo_sdl.SDL_QuitSubSystem(SDL_INIT_GAMECONTROLLER);
}

waldo_window *waldo_window_open(
    const char *library, const char *title, int width, int height, int *outcome, char *message, int capacity) {
  if (!is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") && !is_set("SDL_VIDEODRIVER")) {
    waldo_sdl_say(message, capacity, "neither DISPLAY nor WAYLAND_DISPLAY is set");
    *outcome = WALDO_WINDOW_NO_DISPLAY;
    return NULL;
  }
  if (!take()) {
    waldo_sdl_say(message, capacity, "this process has a window already, or had one whose display was lost");
    *outcome = WALDO_WINDOW_REFUSED;
    return NULL;
  }
  *outcome = waldo_sdl_open(library, message, capacity);
  waldo_window *window = *outcome == WALDO_WINDOW_OPEN ? calloc(1, sizeof *window) : NULL;
  if (window) {
    *outcome = begin(window, title, width, height, message, capacity);
    if (*outcome == WALDO_WINDOW_OPEN) return window;
    if (*outcome != WALDO_WINDOW_NO_DISPLAY) {
      end(window);
      waldo_sdl.SDL_QuitSubSystem(SDL_INIT_VIDEO);
    }
    free(window);
  }
  give_back();
  return NULL;
}

void waldo_window_close(waldo_window *window) {
  // What SDL still holds for a lost display cannot be freed without asking that display; and Xlib may still tell of the loss.
  BEGIN(window, return);
  end(window);
  waldo_sdl.SDL_QuitSubSystem(SDL_INIT_VIDEO);
  END(window);
  free(window);
  give_back();
}

void waldo_window_show_full_screen(waldo_window *window, int is_full) {
  BEGIN(window, return);
  waldo_sdl.SDL_SetWindowFullscreen(window->window, is_full ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
  END(window);
}

// SDL's own wait polls every millisecond while a game controller is open, and is woken through the display.
int waldo_window_wait(waldo_window *window, int bell, int milliseconds) {
  // The kernel tells nobody else about a controller: it is asked at the rate that controllers have.
  if (window->pad.controller && milliseconds > 8) milliseconds = 8;
  struct pollfd waited[2] = {{.fd = bell, .events = POLLIN}, {.fd = window->connection, .events = POLLIN}};
  if (!window->is_lost && poll(waited, 2, milliseconds) > 0) {
    uint64_t rings;
    if (waited[0].revents && read(bell, &rings, sizeof rings) < 0 && errno != EAGAIN) return WALDO_WINDOW_LOST;
    if (waited[1].revents & (POLLHUP | POLLERR | POLLNVAL)) window->is_lost = 1;
  }
  return window->is_lost ? WALDO_WINDOW_LOST : WALDO_WINDOW_GO_ON;
}

static int key_of(const SDL_Keysym *key) {
  switch (key->scancode) {
    case SDL_SCANCODE_W: return WALDO_KEY_W;
    case SDL_SCANCODE_A: return WALDO_KEY_A;
    case SDL_SCANCODE_S: return WALDO_KEY_S;
    case SDL_SCANCODE_D: return WALDO_KEY_D;
    case SDL_SCANCODE_UP: return WALDO_KEY_UP;
    case SDL_SCANCODE_LEFT: return WALDO_KEY_LEFT;
    case SDL_SCANCODE_DOWN: return WALDO_KEY_DOWN;
    case SDL_SCANCODE_RIGHT: return WALDO_KEY_RIGHT;
    case SDL_SCANCODE_ESCAPE: return WALDO_KEY_ESCAPE;
    default: break;
  }
  // The letter that is written on it; where the layout has no Latin letters, the place.
  int letter = key->sym;
  if (letter > 'z' && key->scancode >= SDL_SCANCODE_A && key->scancode <= SDL_SCANCODE_Z) letter = 'a' + (key->scancode - SDL_SCANCODE_A);
  switch (letter) {
    case 'c': return WALDO_KEY_CLEAR;
    case 'f': return WALDO_KEY_FULL_SCREEN;
    case 'h': return WALDO_KEY_HUD;
    case 'q': return WALDO_KEY_QUIT;
    default: return -1;
  }
}

static int take_key(const SDL_KeyboardEvent *event, waldo_window_event *told) {
  // Ctrl+C in the window must clear no emergency stop, and Alt+F toggle nothing. A drive key that goes up always counts.
  int has_modifier = (event->keysym.mod & (KMOD_CTRL | KMOD_ALT | KMOD_GUI)) != 0;
  int code = key_of(&event->keysym);
  if (code < 0 || event->repeat || (has_modifier && event->state == SDL_PRESSED && code != WALDO_KEY_ESCAPE)) return 0;
  told->kind = WALDO_WINDOW_KEY;
  told->code = code;
  told->is_down = event->state == SDL_PRESSED;
  return 1;
}

static int take_window(waldo_window *window, const SDL_WindowEvent *event, waldo_window_event *told) {
  switch (event->event) {
    case SDL_WINDOWEVENT_CLOSE: told->kind = WALDO_WINDOW_CLOSED; return 1;
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_SIZE_CHANGED: told->kind = WALDO_WINDOW_SPOILT; return 1;
    case SDL_WINDOWEVENT_FOCUS_GAINED: window->has_focus = 1; return 0;
    case SDL_WINDOWEVENT_FOCUS_LOST:
      window->has_focus = window->pad.is_told = 0;
      told->kind = WALDO_WINDOW_FOCUS_LOST;
      return 1;
    default: return 0;
  }
}

static int next_event(waldo_window *window, waldo_window_event *told) {
  SDL_Event event;
  while (waldo_sdl.SDL_PollEvent(&event)) {
    switch (event.type) {
      case SDL_QUIT: told->kind = WALDO_WINDOW_CLOSED; return 1;
      case SDL_WINDOWEVENT:
        if (take_window(window, &event.window, told)) return 1;
        break;
      case SDL_KEYDOWN:
      case SDL_KEYUP:
        if (take_key(&event.key, told)) return 1;
        break;
      default:
        if (waldo_pad_take(window, &event, told)) return 1;
    }
  }
  return waldo_pad_moved(window, told);
}

int waldo_window_next_event(waldo_window *window, waldo_window_event *told) {
  memset(told, 0, sizeof *told);
  BEGIN(window, return 0);
  int is_told = next_event(window, told);
  END(window);
  return is_told;
}

static int is_ours(const SDL_Surface *surface) {
  const SDL_PixelFormat *format = surface->format;
  return format->BytesPerPixel == 4 && format->Rmask == 0xFF0000 && format->Gmask == 0xFF00 && format->Bmask == 0xFF;
}

static int draw_on(waldo_window *window, waldo_window_surface *drawn) {
  SDL_Surface *surface = waldo_sdl.SDL_GetWindowSurface(window->window);
  if (!surface) return 0;
  if (is_ours(surface)) {
    if (window->own) waldo_sdl.SDL_FreeSurface(window->own);
    window->own = NULL;
  } else {
    if (window->own && (window->own->w != surface->w || window->own->h != surface->h)) {
      waldo_sdl.SDL_FreeSurface(window->own);
      window->own = NULL;
    }
    if (!window->own) window->own = waldo_sdl.SDL_CreateRGBSurfaceWithFormat(0, surface->w, surface->h, 32, SDL_PIXELFORMAT_RGB888);
    surface = window->own;
    if (!surface) return 0;
  }
  *drawn = (waldo_window_surface){surface->pixels, surface->w, surface->h, surface->pitch / 4};
  return 1;
}

int waldo_window_draw_on(waldo_window *window, waldo_window_surface *drawn) {
  BEGIN(window, return 0);
  int is_ready = draw_on(window, drawn);
  END(window);
  return is_ready;
}

static int present(waldo_window *window) {
  if (window->own && waldo_sdl.SDL_UpperBlit(window->own, NULL, waldo_sdl.SDL_GetWindowSurface(window->window), NULL)) return 0;
  return waldo_sdl.SDL_UpdateWindowSurface(window->window) == 0;
}

int waldo_window_present(waldo_window *window) {
  BEGIN(window, return 0);
  int is_shown = present(window);
  END(window);
  return is_shown;
}

const char *waldo_window_error(waldo_window *window) {
  return window->is_lost ? "the connection to the display ended" : waldo_sdl.SDL_GetError();
}
