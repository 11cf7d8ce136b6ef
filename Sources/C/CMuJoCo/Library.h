// What the files of this target share: MuJoCo's functions, found at run time.
#pragma once
#include <mujoco/mujoco.h>
#include <setjmp.h>

#include "CMuJoCo.h"

#define WALDO_MUJOCO_FUNCTIONS(USE)                                                                                          \
  USE(mj_version) USE(mj_loadXML) USE(mj_copyModel) USE(mj_deleteModel) USE(mj_name2id) USE(mj_makeData) USE(mj_deleteData)    \
  USE(mj_step) USE(mj_forward) USE(mj_kinematics) USE(mj_comPos) USE(mj_camlight) USE(mj_multiRay) USE(mjv_defaultScene)       \
  USE(mjv_makeScene) USE(mjv_freeScene) USE(mjv_defaultOption) USE(mjv_defaultCamera) USE(mjv_updateScene)                     \
  USE(mjr_defaultContext) USE(mjr_makeContext) USE(mjr_freeContext) USE(mjr_setBuffer) USE(mjr_render) USE(mjr_getError)

struct waldo_mujoco {
#define USE(name) __typeof__(name) *name;
  WALDO_MUJOCO_FUNCTIONS(USE)
#undef USE
};
extern struct waldo_mujoco waldo_mujoco;

void waldo_say(char *message, int capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));

// MuJoCo ends the process when it cannot go on. Where a call stands between these, it comes back to the caller instead:
//   if (WALDO_GUARD()) { …it gave up… } else { …calls… }  waldo_unguard();
extern __thread jmp_buf waldo_guard_place;
extern __thread int waldo_is_guarded;
#define WALDO_GUARD() (waldo_is_guarded = 1, setjmp(waldo_guard_place))
static inline void waldo_unguard(void) { waldo_is_guarded = 0; }

static inline mjModel *waldo_in(const waldo_model *model) { return (mjModel *)model; }
static inline mjData *waldo_of(const waldo_data *data) { return (mjData *)data; }
