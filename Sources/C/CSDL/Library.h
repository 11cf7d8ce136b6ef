// What the files of this target share: SDL's functions, found at run time, and the window.
#pragma once
#include <setjmp.h>
#include <SDL2/SDL.h>
#include <SDL2/SDL_syswm.h>

#include "CSDL.h"

#define WALDO_SDL_FUNCTIONS(USE)                                                                                                \
  USE(SDL_GetVersion) USE(SDL_SetHint) USE(SDL_InitSubSystem) USE(SDL_QuitSubSystem) USE(SDL_GetError) USE(SDL_ClearError)        \
  USE(SDL_GetCurrentVideoDriver) USE(SDL_CreateWindow) USE(SDL_DestroyWindow) USE(SDL_SetWindowMinimumSize)                       \
  USE(SDL_SetWindowFullscreen) USE(SDL_GetWindowWMInfo) USE(SDL_GetWindowSurface) USE(SDL_UpdateWindowSurface)                    \
  USE(SDL_CreateRGBSurfaceWithFormat) USE(SDL_UpperBlit) USE(SDL_FreeSurface) USE(SDL_StopTextInput) USE(SDL_PollEvent)           \
  USE(SDL_GameControllerOpen) USE(SDL_GameControllerClose) USE(SDL_GameControllerName) USE(SDL_GameControllerGetAxis)             \
  USE(SDL_GameControllerGetButton) USE(SDL_GameControllerGetJoystick) USE(SDL_IsGameController) USE(SDL_NumJoysticks)             \
  USE(SDL_JoystickInstanceID) USE(SDL_JoystickAttachVirtualEx) USE(SDL_JoystickDetachVirtual) USE(SDL_JoystickIsVirtual)          \
  USE(SDL_JoystickSetVirtualAxis) USE(SDL_JoystickSetVirtualButton)

struct waldo_sdl {
#define USE(name) __typeof__(name) *name;
  WALDO_SDL_FUNCTIONS(USE)
#undef USE
};
extern struct waldo_sdl waldo_sdl;

// Opens the library; once open, further calls do nothing.
int waldo_sdl_open(const char *library, char *message, int capacity);
void waldo_sdl_say(char *message, int capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));

struct waldo_pad {
  SDL_GameController *controller;
  SDL_JoystickID instance;
  // What was told last.
  double x, y;
  int is_told;
  int holds_dead_man;
};

struct waldo_window {
  SDL_Window *window;
  // Drawn on where the window's own pixels have another form.
  SDL_Surface *own;
  // The display's connection; −1: the driver has none.
  int connection;
  int has_focus;
  int is_lost;
  // Where to go on when the display is lost within a call.
  jmp_buf way_out;
  int has_way_out;
  int has_pads;
  struct waldo_pad pad;
};

// 0: the event is none of a game controller's, or nothing to tell.
int waldo_pad_take(waldo_window *window, const SDL_Event *event, waldo_window_event *told);
// What moved since it was told last: once for all that SDL has reported, so that a stick in motion floods nobody.
int waldo_pad_moved(waldo_window *window, waldo_window_event *told);
void waldo_pad_close(waldo_window *window);
