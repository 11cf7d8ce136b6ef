#include <string.h>

#include "Library.h"

waldo_model *waldo_model_load(const char *path, char *message, int capacity) {
  mjModel *volatile model = NULL;
  if (WALDO_GUARD()) {
    waldo_mujoco_warnings(message, capacity);
  } else {
    message[0] = 0;
    model = waldo_mujoco.mj_loadXML(path, NULL, message, capacity);
  }
  waldo_unguard();
  return (waldo_model *)model;
}

waldo_model *waldo_model_copy(const waldo_model *model) {
  return (waldo_model *)waldo_mujoco.mj_copyModel(NULL, waldo_in(model));
}

void waldo_model_free(waldo_model *model) { waldo_mujoco.mj_deleteModel(waldo_in(model)); }

static int object(int kind) {
  switch (kind) {
    case WALDO_BODY: return mjOBJ_BODY;
    case WALDO_JOINT: return mjOBJ_JOINT;
    case WALDO_GEOM: return mjOBJ_GEOM;
    case WALDO_SITE: return mjOBJ_SITE;
    case WALDO_CAMERA: return mjOBJ_CAMERA;
    case WALDO_MATERIAL: return mjOBJ_MATERIAL;
    case WALDO_ACTUATOR: return mjOBJ_ACTUATOR;
    case WALDO_SENSOR: return mjOBJ_SENSOR;
    default: return mjOBJ_UNKNOWN;
  }
}

int waldo_find(const waldo_model *model, int kind, const char *name) {
  return waldo_mujoco.mj_name2id(waldo_in(model), object(kind), name);
}

int waldo_count(const waldo_model *model, int kind) {
  const mjModel *m = waldo_in(model);
  switch (kind) {
    case WALDO_BODY: return (int)m->nbody;
    case WALDO_JOINT: return (int)m->njnt;
    case WALDO_GEOM: return (int)m->ngeom;
    case WALDO_SITE: return (int)m->nsite;
    case WALDO_CAMERA: return (int)m->ncam;
    case WALDO_MATERIAL: return (int)m->nmat;
    case WALDO_ACTUATOR: return (int)m->nactuator;
    case WALDO_SENSOR: return (int)m->nsensor;
    default: return 0;
  }
}

double waldo_timestep(const waldo_model *model) { return waldo_in(model)->opt.timestep; }
int waldo_positions(const waldo_model *model) { return (int)waldo_in(model)->nq; }
int waldo_mocaps(const waldo_model *model) { return (int)waldo_in(model)->nmocap; }

int waldo_joint_kind(const waldo_model *model, int joint) {
  switch (waldo_in(model)->jnt_type[joint]) {
    case mjJNT_FREE: return WALDO_FREE;
    case mjJNT_BALL: return WALDO_BALL;
    case mjJNT_SLIDE: return WALDO_SLIDE;
    default: return WALDO_HINGE;
  }
}
int waldo_joint_position(const waldo_model *model, int joint) { return waldo_in(model)->jnt_qposadr[joint]; }
int waldo_joint_velocity(const waldo_model *model, int joint) { return waldo_in(model)->jnt_dofadr[joint]; }
int waldo_joint_body(const waldo_model *model, int joint) { return waldo_in(model)->jnt_bodyid[joint]; }
int waldo_body_joint(const waldo_model *model, int body) {
  const mjModel *m = waldo_in(model);
  return m->body_jntnum[body] > 0 ? m->body_jntadr[body] : -1;
}
int waldo_body_mocap(const waldo_model *model, int body) { return waldo_in(model)->body_mocapid[body]; }
int waldo_body_root(const waldo_model *model, int body) { return waldo_in(model)->body_rootid[body]; }
int waldo_geom_body(const waldo_model *model, int geom) { return waldo_in(model)->geom_bodyid[geom]; }
double waldo_geom_size(const waldo_model *model, int geom) { return waldo_in(model)->geom_size[3 * geom]; }

void waldo_geom_touches(waldo_model *model, int geom, int type, int affinity) {
  mjModel *m = waldo_in(model);
  m->geom_contype[geom] = type;
  m->geom_conaffinity[geom] = affinity;
}

int waldo_geom_group(const waldo_model *model, int geom) { return waldo_in(model)->geom_group[geom]; }
void waldo_geom_regroup(waldo_model *model, int geom, int group) { waldo_in(model)->geom_group[geom] = group; }
int waldo_actuator_control(const waldo_model *model, int actuator) { return waldo_in(model)->actuator_ctrladr[actuator]; }
int waldo_actuator_output(const waldo_model *model, int actuator) { return waldo_in(model)->actuator_outadr[actuator]; }
int waldo_sensor_address(const waldo_model *model, int sensor) { return waldo_in(model)->sensor_adr[sensor]; }
int waldo_sensor_size(const waldo_model *model, int sensor) { return waldo_in(model)->sensor_dim[sensor]; }

void waldo_material_colour(waldo_model *model, int material, float red, float green, float blue, float emission) {
  mjModel *m = waldo_in(model);
  float *rgba = m->mat_rgba + 4 * material;
  rgba[0] = red, rgba[1] = green, rgba[2] = blue;
  m->mat_emission[material] = emission;
  // A geom has its material's colour from when the world was read.
  for (int geom = 0; geom < m->ngeom; geom++) {
    if (m->geom_matid[geom] == material) memcpy(m->geom_rgba + 4 * geom, rgba, 3 * sizeof(float));
  }
}

waldo_data *waldo_data_new(const waldo_model *model) {
  mjData *volatile data = NULL;
  if (!WALDO_GUARD()) data = waldo_mujoco.mj_makeData(waldo_in(model));
  waldo_unguard();
  return (waldo_data *)data;
}

void waldo_data_free(waldo_data *data) { waldo_mujoco.mj_deleteData(waldo_of(data)); }
double *waldo_qpos(waldo_data *data) { return waldo_of(data)->qpos; }
double *waldo_qvel(waldo_data *data) { return waldo_of(data)->qvel; }
double *waldo_controls(waldo_data *data) { return waldo_of(data)->ctrl; }
double *waldo_outputs(waldo_data *data) { return waldo_of(data)->actuator_force; }
double *waldo_mocap_place(waldo_data *data) { return waldo_of(data)->mocap_pos; }
double *waldo_mocap_turn(waldo_data *data) { return waldo_of(data)->mocap_quat; }
const double *waldo_sensors(const waldo_data *data) { return waldo_of(data)->sensordata; }
const double *waldo_body_place(const waldo_data *data, int body) { return waldo_of(data)->xpos + 3 * body; }
const double *waldo_body_axes(const waldo_data *data, int body) { return waldo_of(data)->xmat + 9 * body; }
const double *waldo_site_place(const waldo_data *data, int site) { return waldo_of(data)->site_xpos + 3 * site; }
const double *waldo_site_axes(const waldo_data *data, int site) { return waldo_of(data)->site_xmat + 9 * site; }
const double *waldo_joint_place(const waldo_data *data, int joint) { return waldo_of(data)->xanchor + 3 * joint; }

int waldo_resets(const waldo_data *data) {
  const mjWarningStat *warning = waldo_of(data)->warning;
  return (int)(warning[mjWARN_BADQPOS].number + warning[mjWARN_BADQVEL].number + warning[mjWARN_BADQACC].number);
}

int waldo_step(const waldo_model *model, waldo_data *data) {
  int outcome = WALDO_FAILED;
  if (!WALDO_GUARD()) {
    waldo_mujoco.mj_step(waldo_in(model), waldo_of(data));
    outcome = WALDO_DONE;
  }
  waldo_unguard();
  return outcome;
}

int waldo_forward(const waldo_model *model, waldo_data *data) {
  int outcome = WALDO_FAILED;
  if (!WALDO_GUARD()) {
    waldo_mujoco.mj_forward(waldo_in(model), waldo_of(data));
    outcome = WALDO_DONE;
  }
  waldo_unguard();
  return outcome;
}

int waldo_arrange(const waldo_model *model, waldo_data *data) {
  int outcome = WALDO_FAILED;
  if (!WALDO_GUARD()) {
    const mjModel *m = waldo_in(model);
    mjData *d = waldo_of(data);
    waldo_mujoco.mj_kinematics(m, d);
    waldo_mujoco.mj_comPos(m, d);
    waldo_mujoco.mj_camlight(m, d);
    outcome = WALDO_DONE;
  }
  waldo_unguard();
  return outcome;
}

void waldo_rays(
    const waldo_model *model, waldo_data *data, const double origin[3], const double *vectors, int count, double limit, unsigned hidden,
    double *distances) {
  mjtByte groups[mjNGROUP];
  for (int group = 0; group < mjNGROUP; group++) groups[group] = !(hidden >> group & 1);
  if (WALDO_GUARD()) {
    for (int ray = 0; ray < count; ray++) distances[ray] = limit;
  } else {
    waldo_mujoco.mj_multiRay(
        waldo_in(model), waldo_of(data), origin, vectors, groups, 1, -1, NULL, distances, NULL, count, limit);
    for (int ray = 0; ray < count; ray++) {
      if (distances[ray] < 0 || distances[ray] > limit) distances[ray] = limit;
    }
  }
  waldo_unguard();
}
