// Drawing without a window: EGL found at run time, MuJoCo's renderer on top.
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "Library.h"

// The few words of OpenGL that reading a picture back needs.
enum {
  gl_renderer = 0x1F01,
  gl_unsigned_byte = 0x1401,
  gl_rgba = 0x1908,
  gl_pack_alignment = 0x0D05,
  gl_colour = 0x4000,
  gl_nearest = 0x2600,
  gl_read_framebuffer = 0x8CA8,
  gl_draw_framebuffer = 0x8CA9,
  gl_framebuffer = 0x8D40,
  gl_complete = 0x8CD5,
  gl_renderbuffer = 0x8D41,
  gl_depth_attachment = 0x8D00,
  gl_depth_stencil_attachment = 0x821A,
  gl_depth_float = 0x8CAC,
  gl_colour_attachment = 0x8CE0,
  gl_texture_flat = 0x0DE1,
  gl_texture_cube = 0x8513,
  gl_anisotropy = 0x84FE,
  gl_shrinking = 0x2801,
  gl_linear_of_nearest = 0x2701
};

struct gl {
  const unsigned char *(*getString)(unsigned name);
  void (*bindFramebuffer)(unsigned target, unsigned name);
  unsigned (*checkFramebufferStatus)(unsigned target);
  void (*framebufferRenderbuffer)(unsigned target, unsigned attachment, unsigned renderbuffers, unsigned name);
  void (*bindRenderbuffer)(unsigned target, unsigned name);
  void (*renderbufferStorage)(unsigned target, unsigned format, int width, int height);
  void (*blitFramebuffer)(int, int, int, int, int, int, int, int, unsigned mask, unsigned filter);
  void (*readBuffer)(unsigned mode);
  void (*bindTexture)(unsigned target, unsigned name);
  void (*texParameteri)(unsigned target, unsigned name, int value);
  void (*pixelStorei)(unsigned name, int value);
  void (*readPixels)(int x, int y, int width, int height, unsigned format, unsigned type, void *pixels);
};

struct egl {
#define WALDO_EGL_FUNCTIONS(USE)                                                                                              \
  USE(eglGetProcAddress) USE(eglInitialize) USE(eglTerminate) USE(eglBindAPI) USE(eglChooseConfig) USE(eglCreateContext)       \
  USE(eglDestroyContext) USE(eglMakeCurrent) USE(eglGetError) USE(eglQueryString)
#define USE(name) __typeof__(name) *name;
  WALDO_EGL_FUNCTIONS(USE)
#undef USE
};

struct waldo_eye {
  struct egl egl;
  struct gl gl;
  EGLDisplay display;
  EGLContext context;
  mjvScene scene;
  mjvOption option;
  mjrContext renderer;
  int has_scene, has_renderer;
  uint8_t *pixels;
  int width, height;
};

static int load_egl(struct egl *egl, char *message, int capacity) {
  void *library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    waldo_say(message, capacity, "%s", dlerror());
    return WALDO_MISSING;
  }
#define USE(name)                                                \
  egl->name = (__typeof__(name) *)dlsym(library, #name);         \
  if (!egl->name) {                                              \
    waldo_say(message, capacity, "libEGL.so.1 has no " #name);   \
    return WALDO_MISFIT;                                         \
  }
  WALDO_EGL_FUNCTIONS(USE)
#undef USE
  return WALDO_DONE;
}

static int make_context(waldo_eye *eye, EGLDisplay display) {
  struct egl *egl = &eye->egl;
  if (display == EGL_NO_DISPLAY || !egl->eglInitialize(display, NULL, NULL)) return 0;
  const EGLint wanted[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_DEPTH_SIZE, 24,
                           EGL_RENDERABLE_TYPE, EGL_OPENGL_BIT, EGL_NONE};
  EGLConfig configuration = NULL;
  EGLint count = 0;
  if (!egl->eglBindAPI(EGL_OPENGL_API)) return 0;
  egl->eglChooseConfig(display, wanted, &configuration, 1, &count);
  EGLContext context = egl->eglCreateContext(display, count ? configuration : EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, NULL);
  if (context == EGL_NO_CONTEXT) return 0;
  if (!egl->eglMakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context)) {
    egl->eglDestroyContext(display, context);
    return 0;
  }
  eye->display = display;
  eye->context = context;
  return 1;
}

// A graphics card where there is one, else the processor.
static int find_context(waldo_eye *eye) {
  struct egl *egl = &eye->egl;
  PFNEGLGETPLATFORMDISPLAYEXTPROC display_of = (PFNEGLGETPLATFORMDISPLAYEXTPROC)egl->eglGetProcAddress("eglGetPlatformDisplayEXT");
  PFNEGLQUERYDEVICESEXTPROC devices_of = (PFNEGLQUERYDEVICESEXTPROC)egl->eglGetProcAddress("eglQueryDevicesEXT");
  PFNEGLQUERYDEVICESTRINGEXTPROC text_of = (PFNEGLQUERYDEVICESTRINGEXTPROC)egl->eglGetProcAddress("eglQueryDeviceStringEXT");
  if (!display_of) return 0;
  EGLDeviceEXT devices[16];
  EGLint count = 0;
  if (devices_of && text_of && devices_of(16, devices, &count)) {
    for (EGLint index = 0; index < count; index++) {
      const char *abilities = text_of(devices[index], EGL_EXTENSIONS);
      if (!abilities || strstr(abilities, "EGL_MESA_device_software")) continue;
      if (make_context(eye, display_of(EGL_PLATFORM_DEVICE_EXT, devices[index], NULL))) return 1;
    }
  }
  return make_context(eye, display_of(EGL_PLATFORM_SURFACELESS_MESA, EGL_DEFAULT_DISPLAY, NULL));
}

static int load_gl(waldo_eye *eye) {
  int found = 1;
#define USE(name, of)                                                            \
  *(void **)&eye->gl.name = (void *)eye->egl.eglGetProcAddress(of);              \
  if (!eye->gl.name) found = 0;
  USE(getString, "glGetString")
  USE(bindFramebuffer, "glBindFramebuffer")
  USE(checkFramebufferStatus, "glCheckFramebufferStatus")
  USE(framebufferRenderbuffer, "glFramebufferRenderbuffer")
  USE(bindRenderbuffer, "glBindRenderbuffer")
  USE(renderbufferStorage, "glRenderbufferStorage")
  USE(blitFramebuffer, "glBlitFramebuffer")
  USE(readBuffer, "glReadBuffer")
  USE(bindTexture, "glBindTexture")
  USE(texParameteri, "glTexParameteri")
  USE(pixelStorei, "glPixelStorei")
  USE(readPixels, "glReadPixels")
#undef USE
  return found;
}

// MuJoCo asks for the best filters that there are: drawn by the processor, they alone take longer than all the rest.
static void simplify_textures(waldo_eye *eye) {
  for (int index = 0; index < eye->renderer.ntexture; index++) {
    unsigned target = eye->renderer.textureType[index] == mjTEXTURE_2D ? gl_texture_flat : gl_texture_cube;
    eye->gl.bindTexture(target, eye->renderer.texture[index]);
    eye->gl.texParameteri(target, gl_anisotropy, 1);
    eye->gl.texParameteri(target, gl_shrinking, gl_linear_of_nearest);
    eye->gl.bindTexture(target, 0);
  }
}

// MuJoCo keeps a stencil beside the depth, 8 bytes for each pixel: only what is mirrored needs it, and the processor, which must load, test and
// store them, draws by a quarter faster with the depth alone.
static int leave_stencil_out(waldo_eye *eye) {
  struct gl *gl = &eye->gl;
  gl->bindFramebuffer(gl_framebuffer, eye->renderer.offFBO);
  gl->framebufferRenderbuffer(gl_framebuffer, gl_depth_stencil_attachment, gl_renderbuffer, 0);
  gl->bindRenderbuffer(gl_renderbuffer, eye->renderer.offDepthStencil);
  gl->renderbufferStorage(gl_renderbuffer, gl_depth_float, eye->width, eye->height);
  gl->bindRenderbuffer(gl_renderbuffer, 0);
  gl->framebufferRenderbuffer(gl_framebuffer, gl_depth_attachment, gl_renderbuffer, eye->renderer.offDepthStencil);
  return gl->checkFramebufferStatus(gl_framebuffer) == gl_complete;
}

static int upload(waldo_eye *eye, const mjModel *model, int shadows, char *message, int capacity) {
  volatile int outcome = WALDO_FAILED;
  if (WALDO_GUARD()) {
    waldo_mujoco_warnings(message, capacity);
  } else {
    waldo_mujoco.mjv_defaultOption(&eye->option);
    // Places that only mean something are not drawn.
    memset(eye->option.sitegroup, 0, sizeof eye->option.sitegroup);
    waldo_mujoco.mjv_defaultScene(&eye->scene);
    waldo_mujoco.mjv_makeScene(model, &eye->scene, (int)model->ngeom + 200);
    eye->has_scene = 1;
    eye->scene.flags[mjRND_SHADOW] = shadows != 0;
    eye->scene.flags[mjRND_REFLECTION] = shadows != 0;
    waldo_mujoco.mjr_defaultContext(&eye->renderer);
    waldo_mujoco.mjr_makeContext(model, &eye->renderer, mjFONTSCALE_100);
    eye->has_renderer = 1;
    waldo_mujoco.mjr_setBuffer(mjFB_OFFSCREEN, &eye->renderer);
    if (!shadows) simplify_textures(eye);
    if (shadows || eye->renderer.offSamples > 0 || leave_stencil_out(eye))
      outcome = WALDO_DONE;
    else
      waldo_say(message, capacity, "OpenGL makes no pictures with a depth of 32 bits (version 3.0 is needed)");
  }
  waldo_unguard();
  return outcome;
}

waldo_eye *waldo_eye_open(
    const waldo_model *model, int width, int height, int shadows, int samples, int *outcome, char *message, int capacity) {
  waldo_eye *eye = calloc(1, sizeof *eye);
  uint8_t *pixels = malloc((size_t)width * (size_t)height * 4);
  if (!eye || !pixels) {
    free(eye), free(pixels);
    waldo_say(message, capacity, "no memory for pictures of %dx%d", width, height);
    *outcome = WALDO_FAILED;
    return NULL;
  }
  eye->pixels = pixels, eye->width = width, eye->height = height;
  *outcome = load_egl(&eye->egl, message, capacity);
  if (*outcome == WALDO_DONE && !find_context(eye)) {
    waldo_say(message, capacity, "EGL made no OpenGL context (error 0x%x)", (unsigned)eye->egl.eglGetError());
    *outcome = WALDO_MISSING;
  }
  if (*outcome == WALDO_DONE && !load_gl(eye)) {
    waldo_say(message, capacity, "OpenGL has no framebuffers (version 3.0 is needed)");
    *outcome = WALDO_MISFIT;
  }
  if (*outcome == WALDO_DONE) {
    mjModel *m = waldo_in(model);
    m->vis.global.offwidth = width, m->vis.global.offheight = height;
    m->vis.quality.offsamples = samples;
    if (shadows) {
      // For graphics cards: rounder, and with finer edges of shadows.
      m->vis.quality.numslices = 28, m->vis.quality.numstacks = 16;
      m->vis.quality.shadowsize = 4096;
    }
    *outcome = upload(eye, m, shadows, message, capacity);
  }
  if (*outcome == WALDO_DONE) return eye;
  waldo_eye_free(eye);
  return NULL;
}

const char *waldo_eye_renderer(const waldo_eye *eye) {
  const char *name = (const char *)eye->gl.getString(gl_renderer);
  return name ? name : "";
}

void waldo_eye_leave(waldo_eye *eye) { eye->egl.eglMakeCurrent(eye->display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT); }

int waldo_eye_take(waldo_eye *eye) {
  eye->egl.eglBindAPI(EGL_OPENGL_API);  // each thread has its own
  return eye->egl.eglMakeCurrent(eye->display, EGL_NO_SURFACE, EGL_NO_SURFACE, eye->context) ? WALDO_DONE : WALDO_FAILED;
}

static void read_back(waldo_eye *eye, int width, int height) {
  mjrContext *renderer = &eye->renderer;
  if (renderer->offSamples > 0) {
    eye->gl.bindFramebuffer(gl_read_framebuffer, renderer->offFBO);
    eye->gl.readBuffer(gl_colour_attachment);
    eye->gl.bindFramebuffer(gl_draw_framebuffer, renderer->offFBO_r);
    eye->gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl_colour, gl_nearest);
    eye->gl.bindFramebuffer(gl_read_framebuffer, renderer->offFBO_r);
  }
  eye->gl.readBuffer(gl_colour_attachment);
  eye->gl.pixelStorei(gl_pack_alignment, 4);
  eye->gl.readPixels(0, 0, width, height, gl_rgba, gl_unsigned_byte, eye->pixels);
  if (renderer->offSamples > 0) waldo_mujoco.mjr_setBuffer(mjFB_OFFSCREEN, renderer);
}

// What the camera cannot see is left out, and what is near comes first, so that what it hides need not be painted.
static int is_seen(const mjvGeom *geom, const float place[3], const float ahead[3], float spread) {
  float radius = geom->modelrbound;
  if (radius <= 0) return 1;  // a plane, or not of the model
  float way[3], along = 0, square = 0;
  for (int axis = 0; axis < 3; axis++) {
    way[axis] = geom->pos[axis] - place[axis];
    along += way[axis] * ahead[axis];
    square += way[axis] * way[axis];
  }
  if (square < radius * radius) return 1;
  if (along < -radius) return 0;
  // The distance from the cone of what is seen.
  float aside = sqrtf(fmaxf(0, square - along * along));
  return aside * cosf(spread) - along * sinf(spread) < radius;
}

static const float shell = 1000;

static float order_of(const mjvGeom *geom, const float place[3]) {
  float square = 0;
  for (int axis = 0; axis < 3; axis++) square += (geom->pos[axis] - place[axis]) * (geom->pos[axis] - place[axis]);
  if (geom->modelrbound > 0 && geom->modelrbound <= 2) return sqrtf(square) - geom->modelrbound;
  // The shell of a room is behind everything, wherever its middle is; and a rug or a painting, smaller, before the floor and the walls.
  float extent = geom->type == mjGEOM_PLANE ? hypotf(geom->size[0], geom->size[1]) : geom->modelrbound;
  return extent > 0 ? shell + extent : 2 * shell;  // 0: a plane without an end
}

static int compare(const void *a, const void *b) {
  float first = ((const mjvGeom *)a)->camdist, second = ((const mjvGeom *)b)->camdist;
  return first < second ? -1 : first > second;
}

static void sift(mjvScene *scene, int width, int height) {
  const mjvGLCamera *view = scene->camera;
  float up = view->frustum_top / view->frustum_near, spread = atanf(up * sqrtf(1 + (float)width * (float)width / (float)(height * height)));
  int kept = 0;
  for (int index = 0; index < scene->ngeom; index++) {
    mjvGeom *geom = scene->geoms + index;
    // What is not in the picture may throw a shadow into it, or be mirrored.
    if (!scene->flags[mjRND_SHADOW] && !is_seen(geom, view->pos, view->forward, spread)) continue;
    geom->camdist = order_of(geom, view->pos);
    // The sun shines through the shell of a room: its window would be the only light place.
    if (geom->camdist >= shell) geom->castshadow = 0;
    // It would be drawn first, and blended, for a mirror image that is not drawn.
    if (!scene->flags[mjRND_REFLECTION]) geom->reflectance = 0;
    if (kept != index) scene->geoms[kept] = *geom;
    kept++;
  }
  scene->ngeom = kept;
  qsort(scene->geoms, (size_t)kept, sizeof(mjvGeom), compare);
}

const uint8_t *waldo_eye_draw(waldo_eye *eye, const waldo_model *model, waldo_data *data, int camera, int width, int height) {
  if (width > eye->width || height > eye->height) return NULL;
  const uint8_t *volatile drawn = NULL;
  if (!WALDO_GUARD()) {
    mjvCamera view;
    waldo_mujoco.mjv_defaultCamera(&view);
    view.type = mjCAMERA_FIXED;
    view.fixedcamid = camera;
    waldo_mujoco.mjv_updateScene(waldo_in(model), waldo_of(data), &eye->option, NULL, &view, mjCAT_ALL, &eye->scene);
    sift(&eye->scene, width, height);
    mjrRect place = {0, 0, width, height};
    waldo_mujoco.mjr_render(place, &eye->scene, &eye->renderer);
    read_back(eye, width, height);
    drawn = eye->pixels;
  }
  waldo_unguard();
  return drawn;
}

void waldo_eye_free(waldo_eye *eye) {
  if (eye->has_renderer) waldo_mujoco.mjr_freeContext(&eye->renderer);
  if (eye->has_scene) waldo_mujoco.mjv_freeScene(&eye->scene);
  if (eye->context) {
    waldo_eye_leave(eye);
    eye->egl.eglDestroyContext(eye->display, eye->context);
  }
  // The display is the process's, not ours: another eye may look through it.
  free(eye->pixels);
  free(eye);
}
