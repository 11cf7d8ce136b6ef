// MuJoCo and headless OpenGL behind plain calls. Both are found when the program runs, not when it starts: whoever never simulates needs
// neither, and what is missing can be told in words. The libraries' own headers stay inside.
#pragma once
#include <stdint.h>

// A loaded world, its state, and what draws it. None is shared by two threads at a time.
typedef struct waldo_model waldo_model;
typedef struct waldo_data waldo_data;
typedef struct waldo_eye waldo_eye;

enum waldo_outcome { WALDO_DONE = 0, WALDO_MISSING = 1, WALDO_MISFIT = 2, WALDO_FAILED = 3 };
enum waldo_kind {
  WALDO_BODY,
  WALDO_JOINT,
  WALDO_GEOM,
  WALDO_SITE,
  WALDO_CAMERA,
  WALDO_MATERIAL,
  WALDO_ACTUATOR,
  WALDO_SENSOR
};
enum waldo_joint { WALDO_FREE, WALDO_BALL, WALDO_SLIDE, WALDO_HINGE };

// Where the library lay when this was compiled.
const char *waldo_mujoco_built(void);
// Opens the library; once open, further calls do nothing. The message, without a line end, says what failed.
int waldo_mujoco_open(const char *path, char *message, int capacity);
// How often MuJoCo has warned, and what it said last.
int waldo_mujoco_warnings(char *message, int capacity);

// NULL with a message: not readable as a world.
waldo_model *waldo_model_load(const char *path, char *message, int capacity);
waldo_model *waldo_model_copy(const waldo_model *model);
void waldo_model_free(waldo_model *model);
// -1: there is none of that name.
int waldo_find(const waldo_model *model, int kind, const char *name);
int waldo_count(const waldo_model *model, int kind);
double waldo_timestep(const waldo_model *model);
int waldo_positions(const waldo_model *model);
int waldo_mocaps(const waldo_model *model);
int waldo_joint_kind(const waldo_model *model, int joint);
int waldo_joint_position(const waldo_model *model, int joint);
int waldo_joint_velocity(const waldo_model *model, int joint);
int waldo_joint_body(const waldo_model *model, int joint);
// -1: the body has none.
int waldo_body_joint(const waldo_model *model, int body);
int waldo_body_mocap(const waldo_model *model, int body);
int waldo_body_root(const waldo_model *model, int body);
int waldo_geom_body(const waldo_model *model, int geom);
double waldo_geom_size(const waldo_model *model, int geom);
void waldo_geom_touches(waldo_model *model, int geom, int type, int affinity);
int waldo_geom_group(const waldo_model *model, int geom);
void waldo_geom_regroup(waldo_model *model, int geom, int group);
int waldo_actuator_control(const waldo_model *model, int actuator);
int waldo_actuator_output(const waldo_model *model, int actuator);
int waldo_sensor_address(const waldo_model *model, int sensor);
int waldo_sensor_size(const waldo_model *model, int sensor);
void waldo_material_colour(waldo_model *model, int material, float red, float green, float blue, float emission);

// NULL: no memory, or the state would be too large.
waldo_data *waldo_data_new(const waldo_model *model);
void waldo_data_free(waldo_data *data);
double *waldo_qpos(waldo_data *data);
double *waldo_qvel(waldo_data *data);
double *waldo_controls(waldo_data *data);
double *waldo_outputs(waldo_data *data);
double *waldo_mocap_place(waldo_data *data);
double *waldo_mocap_turn(waldo_data *data);
const double *waldo_sensors(const waldo_data *data);
const double *waldo_body_place(const waldo_data *data, int body);
// 3×3, rows first.
const double *waldo_body_axes(const waldo_data *data, int body);
const double *waldo_site_place(const waldo_data *data, int site);
const double *waldo_site_axes(const waldo_data *data, int site);
const double *waldo_joint_place(const waldo_data *data, int joint);
// How often the state became impossible and was begun anew.
int waldo_resets(const waldo_data *data);
// These answer WALDO_FAILED where MuJoCo gives up; the message is then in `waldo_mujoco_warnings`.
int waldo_step(const waldo_model *model, waldo_data *data);
int waldo_forward(const waldo_model *model, waldo_data *data);
// Where everything is, for drawing; no forces.
int waldo_arrange(const waldo_model *model, waldo_data *data);
// m along each of `count` unit vectors to the first geom that is in none of the groups of the bit mask `hidden`; `limit` where there is none.
void waldo_rays(
    const waldo_model *model, waldo_data *data, const double origin[3], const double *vectors, int count, double limit, unsigned hidden,
    double *distances);

// Opens a context without a window and uploads the world to it, for pictures up to that size. `samples`: of each pixel, 0 for one.
// The calling thread has the context. NULL: the outcome says whether EGL or OpenGL is missing, or refused.
waldo_eye *waldo_eye_open(
    const waldo_model *model, int width, int height, int shadows, int samples, int *outcome, char *message, int capacity);
// Who draws: `llvmpipe`, a graphics card.
const char *waldo_eye_renderer(const waldo_eye *eye);
// Gives the context up, and takes it: one thread has it at a time.
void waldo_eye_leave(waldo_eye *eye);
int waldo_eye_take(waldo_eye *eye);
// Draws through a camera of the world. The rows, bottom first, of red, green, blue and nothing, are the eye's own until the next call.
// NULL: MuJoCo gave up.
const uint8_t *waldo_eye_draw(waldo_eye *eye, const waldo_model *model, waldo_data *data, int camera, int width, int height);
// By the thread that has the context.
void waldo_eye_free(waldo_eye *eye);
