// A window of SDL's behind plain calls. SDL is found when the first window is wanted, not when the program starts: it brings some fifty
// libraries, and whoever has no display needs none of them. Its headers stay inside. One thread makes all calls for a window.
#pragma once
#include <stdint.h>

typedef struct waldo_window waldo_window;

enum waldo_window_outcome {
  WALDO_WINDOW_OPEN,
  // No display is named, or it does not answer.
  WALDO_WINDOW_NO_DISPLAY,
  // SDL is not there, or is another than it should be.
  WALDO_WINDOW_NO_LIBRARY,
  WALDO_WINDOW_REFUSED
};

// NULL with the outcome and, without a line end, what failed. `library`: its name or path.
waldo_window *waldo_window_open(
    const char *library, const char *title, int width, int height, int *outcome, char *message, int capacity);
// Of a window whose display is lost: nothing of SDL is called any more, and no other window can be opened in this process.
void waldo_window_close(waldo_window *window);
void waldo_window_show_full_screen(waldo_window *window, int is_full);

enum waldo_window_woken { WALDO_WINDOW_GO_ON, WALDO_WINDOW_LOST };
// Waits for the display, the bell (an eventfd, which is emptied) or the time, in milliseconds.
int waldo_window_wait(waldo_window *window, int bell, int milliseconds);

enum waldo_window_event_kind {
  WALDO_WINDOW_CLOSED = 1,
  // What is in the window was lost, or its size changed.
  WALDO_WINDOW_SPOILT,
  WALDO_WINDOW_FOCUS_LOST,
  WALDO_WINDOW_KEY,
  WALDO_WINDOW_PAD_CAME,
  WALDO_WINDOW_PAD_WENT,
  WALDO_WINDOW_STICK,
  WALDO_WINDOW_PAD_BUTTON
};
// The places of W, A, S, D and the arrows; what the others say is more than where they lie.
enum waldo_window_key {
  WALDO_KEY_W,
  WALDO_KEY_A,
  WALDO_KEY_S,
  WALDO_KEY_D,
  WALDO_KEY_UP,
  WALDO_KEY_LEFT,
  WALDO_KEY_DOWN,
  WALDO_KEY_RIGHT,
  WALDO_KEY_ESCAPE,
  WALDO_KEY_CLEAR,
  WALDO_KEY_FULL_SCREEN,
  WALDO_KEY_HUD,
  WALDO_KEY_QUIT
};
enum waldo_window_pad_button { WALDO_PAD_EMERGENCY_STOP, WALDO_PAD_DEAD_MAN };

typedef struct {
  int kind;
  // A key or a pad's button.
  int code;
  int is_down;
  // −1…1, right and forward +.
  double x, y;
  char name[96];
} waldo_window_event;

// 0: there is no further event.
int waldo_window_next_event(waldo_window *window, waldo_window_event *event);

// Rows of 32-bit pixels: blue, green, red, unused. Good until the next call.
typedef struct {
  uint32_t *pixels;
  int width, height;
  // Pixels from one row to the next.
  int stride;
} waldo_window_surface;

// 0: there is none now; `waldo_window_error` says why.
int waldo_window_draw_on(waldo_window *window, waldo_window_surface *surface);
// Shows what was drawn.
int waldo_window_present(waldo_window *window);
const char *waldo_window_error(waldo_window *window);

// A game controller that exists in this process alone, for tests. 0: SDL refused.
int waldo_window_pad_attach(waldo_window *window);
void waldo_window_pad_detach(waldo_window *window);
void waldo_window_pad_stick(waldo_window *window, double x, double y);
void waldo_window_pad_press(waldo_window *window, int button, int is_down);
