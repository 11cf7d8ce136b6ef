// The first game controller that comes is the one; when it goes, the next takes its place.
#include <math.h>
#include <string.h>

#include "Library.h"

static double clamped(double value) { return value < -1 ? -1 : value > 1 ? 1 : value; }

static double axis_of(const struct waldo_pad *pad, SDL_GameControllerAxis axis) {
  return clamped(waldo_sdl.SDL_GameControllerGetAxis(pad->controller, axis) / 32767.0);
}

static int open_pad(waldo_window *window, int index, waldo_window_event *told) {
  struct waldo_pad *pad = &window->pad;
  if (pad->controller || !waldo_sdl.SDL_IsGameController(index)) return 0;
  memset(pad, 0, sizeof *pad);
  pad->controller = waldo_sdl.SDL_GameControllerOpen(index);
  if (!pad->controller) return 0;
  pad->instance = waldo_sdl.SDL_JoystickInstanceID(waldo_sdl.SDL_GameControllerGetJoystick(pad->controller));
  const char *name = waldo_sdl.SDL_GameControllerName(pad->controller);
  told->kind = WALDO_WINDOW_PAD_CAME;
  waldo_sdl_say(told->name, sizeof told->name, "%s", name ? name : "game controller");
  return 1;
}

void waldo_pad_close(waldo_window *window) {
  if (window->pad.controller) waldo_sdl.SDL_GameControllerClose(window->pad.controller);
  memset(&window->pad, 0, sizeof window->pad);
}

int waldo_pad_take(waldo_window *window, const SDL_Event *event, waldo_window_event *told) {
  struct waldo_pad *pad = &window->pad;
  switch (event->type) {
    case SDL_CONTROLLERDEVICEADDED: return open_pad(window, event->cdevice.which, told);
    case SDL_CONTROLLERDEVICEREMOVED:
      if (!pad->controller || event->cdevice.which != pad->instance) return 0;
      waldo_pad_close(window);
      told->kind = WALDO_WINDOW_PAD_WENT;
      return 1;
    case SDL_CONTROLLERBUTTONDOWN:
    case SDL_CONTROLLERBUTTONUP:
      // To stop is allowed from whatever window the keyboard has.
      if (!pad->controller || event->cbutton.which != pad->instance || event->cbutton.button != SDL_CONTROLLER_BUTTON_B) return 0;
      told->kind = WALDO_WINDOW_PAD_BUTTON;
      told->code = WALDO_PAD_EMERGENCY_STOP;
      told->is_down = event->type == SDL_CONTROLLERBUTTONDOWN;
      return 1;
    default: return 0;
  }
}

int waldo_pad_moved(waldo_window *window, waldo_window_event *told) {
  struct waldo_pad *pad = &window->pad;
  // While another window has the keyboard nothing is told; afterwards where the stick is by then.
  if (!pad->controller || !window->has_focus) return 0;
  double x = axis_of(pad, SDL_CONTROLLER_AXIS_LEFTX), y = 0 - axis_of(pad, SDL_CONTROLLER_AXIS_LEFTY);
  // Let go of only well below where it takes hold: a trigger in between does not flicker.
  int holds = waldo_sdl.SDL_GameControllerGetButton(pad->controller, SDL_CONTROLLER_BUTTON_RIGHTSHOULDER) ||
              axis_of(pad, SDL_CONTROLLER_AXIS_TRIGGERRIGHT) > (pad->holds_dead_man ? 0.35 : 0.5);
  if (holds != pad->holds_dead_man) {
    pad->holds_dead_man = holds;
    told->kind = WALDO_WINDOW_PAD_BUTTON;
    told->code = WALDO_PAD_DEAD_MAN;
    told->is_down = holds;
    return 1;
  }
  if (pad->is_told && x == pad->x && y == pad->y) return 0;
  pad->is_told = 1, pad->x = x, pad->y = y;
  told->kind = WALDO_WINDOW_STICK;
  told->x = x, told->y = y;
  return 1;
}

// The virtual controller: at most one, found by SDL's own mark.

int waldo_window_pad_attach(waldo_window *window) {
  if (!window->has_pads) return 0;
  SDL_VirtualJoystickDesc pad;
  memset(&pad, 0, sizeof pad);
  pad.version = SDL_VIRTUAL_JOYSTICK_DESC_VERSION;
  pad.type = SDL_JOYSTICK_TYPE_GAMECONTROLLER;
  pad.naxes = SDL_CONTROLLER_AXIS_MAX;
  pad.nbuttons = SDL_CONTROLLER_BUTTON_MAX;
  pad.name = "Virtual pad";
  return waldo_sdl.SDL_JoystickAttachVirtualEx(&pad) >= 0;
}

void waldo_window_pad_detach(waldo_window *window) {
  if (!window->has_pads) return;
  for (int index = waldo_sdl.SDL_NumJoysticks() - 1; index >= 0; index--) {
    if (waldo_sdl.SDL_JoystickIsVirtual(index)) waldo_sdl.SDL_JoystickDetachVirtual(index);
  }
}

void waldo_window_pad_stick(waldo_window *window, double x, double y) {
  if (!window->pad.controller) return;
  SDL_Joystick *stick = waldo_sdl.SDL_GameControllerGetJoystick(window->pad.controller);
  waldo_sdl.SDL_JoystickSetVirtualAxis(stick, SDL_CONTROLLER_AXIS_LEFTX, (Sint16)lround(clamped(x) * 32767));
  waldo_sdl.SDL_JoystickSetVirtualAxis(stick, SDL_CONTROLLER_AXIS_LEFTY, (Sint16)lround(clamped(-y) * 32767));
}

void waldo_window_pad_press(waldo_window *window, int button, int is_down) {
  if (!window->pad.controller) return;
  SDL_Joystick *stick = waldo_sdl.SDL_GameControllerGetJoystick(window->pad.controller);
  int place = button == WALDO_PAD_DEAD_MAN ? SDL_CONTROLLER_BUTTON_RIGHTSHOULDER : SDL_CONTROLLER_BUTTON_B;
  waldo_sdl.SDL_JoystickSetVirtualButton(stick, place, (Uint8)(is_down != 0));
}
