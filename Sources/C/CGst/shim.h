// GStreamer 1.22: pictures, sound and encoders from whatever it has an element for. Macros, casts and varargs are kept on this side.
#pragma once
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video-event.h>
#include <gst/video/video.h>
#include <stdint.h>
#include <string.h>

static inline void waldo_gst_say(char *text, size_t room, const char *what, const char *more) {
    if (more && *more) g_snprintf(text, room, "%s (%s)", what, more);
    else g_snprintf(text, room, "%s", what);
}

/// 0: GStreamer cannot be used, and why.
static inline int waldo_gst_begin(char *text, size_t room) {
    GError *error = NULL;
    if (gst_init_check(NULL, NULL, &error)) return 1;
    waldo_gst_say(text, room, error ? error->message : "gst_init failed", NULL);
    g_clear_error(&error);
    return 0;
}

/// 1: an encoder that gives this media type, 0: one that does not, -1: no video encoder, -2: not installed.
static inline int waldo_gst_encodes(const char *element, const char *media) {
    GstElementFactory *factory = gst_element_factory_find(element);
    if (!factory) return -2;
    int answer = -1;
    if (gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_VIDEO_ENCODER)) {
        GstCaps *caps = gst_caps_new_empty_simple(media);
        answer = gst_element_factory_can_src_any_caps(factory, caps) ? 1 : 0;
        gst_caps_unref(caps);
    }
    gst_object_unref(factory);
    return answer;
}

/// The caller's own, or NULL and why.
static inline GstElement *waldo_gst_make(const char *description, char *text, size_t room) {
    GError *error = NULL;
    GstElement *made = gst_parse_launch_full(description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    if (made) gst_object_ref_sink(made);
    if (made && !error && GST_IS_PIPELINE(made)) return made;
    waldo_gst_say(text, room, error ? error->message : "no pipeline", NULL);
    g_clear_error(&error);
    if (made) gst_object_unref(made);
    return NULL;
}

/// The caller's own.
static inline GstElement *waldo_gst_element(GstElement *pipeline, const char *name) {
    return gst_bin_get_by_name(GST_BIN(pipeline), name);
}

static inline void waldo_gst_drop_element(GstElement *element) { gst_object_unref(element); }

static inline void waldo_gst_set(GstElement *element, const char *name, const char *value) {
    gst_util_set_object_arg(G_OBJECT(element), name, value);
}

/// A whole number inside a property that is a structure, which keeps what else is in it.
static inline void waldo_gst_set_in(GstElement *element, const char *name, const char *empty, const char *field, int value) {
    GstStructure *old = NULL;
    g_object_get(element, name, &old, NULL);
    GstStructure *changed = old ? old : gst_structure_new_empty(empty);
    gst_structure_set(changed, field, G_TYPE_INT, value, NULL);
    g_object_set(element, name, changed, NULL);
    gst_structure_free(changed);
}

/// The next picture that the encoder is given becomes a key frame with its headers.
static inline void waldo_gst_force_key_frame(GstElement *encoder) {
    GstPad *pad = gst_element_get_static_pad(encoder, "src");
    if (!pad) return;
    gst_pad_send_event(pad, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
    gst_object_unref(pad);
}

/// An I420 picture without padding into an appsrc; nanoseconds. 0: it is not taken; the bus may know why.
static inline int waldo_gst_push_picture(
    GstElement *source, const uint8_t *bytes, int width, int height, guint64 time, guint64 duration) {
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, width, height)) return 0;
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, GST_VIDEO_INFO_SIZE(&info), NULL);
    if (!buffer || !gst_video_frame_map(&frame, &info, buffer, GST_MAP_WRITE)) {
        if (buffer) gst_buffer_unref(buffer);
        return 0;
    }
    for (int plane = 0; plane < 3; plane++) {
        int columns = plane ? width / 2 : width, rows = plane ? height / 2 : height;
        int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
        uint8_t *to = (uint8_t *)GST_VIDEO_FRAME_PLANE_DATA(&frame, plane);
        for (int row = 0; row < rows; row++) memcpy(to + (ptrdiff_t)row * stride, bytes + (size_t)row * columns, columns);
        bytes += (size_t)columns * rows;
    }
    gst_video_frame_unmap(&frame);
    GST_BUFFER_PTS(buffer) = time;
    GST_BUFFER_DURATION(buffer) = duration;
    return gst_app_src_push_buffer(GST_APP_SRC(source), buffer) == GST_FLOW_OK;
}

/// 1: began, 2: began and is live, 0: refused; the bus may know why.
static inline int waldo_gst_pause(GstElement *pipeline) {
    switch (gst_element_set_state(pipeline, GST_STATE_PAUSED)) {
        case GST_STATE_CHANGE_FAILURE: return 0;
        case GST_STATE_CHANGE_NO_PREROLL: return 2;
        default: return 1;
    }
}

static inline int waldo_gst_play(GstElement *pipeline) {
    return gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

/// Waits until nothing runs.
static inline void waldo_gst_free(GstElement *pipeline, GstElement *sink) {
    gst_element_set_state(pipeline, GST_STATE_NULL);
    if (sink) gst_object_unref(sink);
    gst_object_unref(pipeline);
}

/// 0: nothing happened, 1: the stream ended, 2: an error, with its words.
static inline int waldo_gst_event(GstElement *pipeline, char *text, size_t room) {
    GstBus *bus = gst_element_get_bus(pipeline);
    int event = 0;
    GstMessage *message = gst_bus_pop_filtered(bus, (GstMessageType)(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
    if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError *error = NULL;
        gchar *more = NULL;
        gst_message_parse_error(message, &error, &more);
        // The last line says most; those before it name places in GStreamer's source.
        const char *last = more ? strrchr(more, '\n') : NULL;
        waldo_gst_say(text, room, error->message, last ? last + 1 : more);
        g_clear_error(&error);
        g_free(more);
        event = 2;
    } else if (message) {
        event = 1;
    }
    if (message) gst_message_unref(message);
    gst_object_unref(bus);
    return event;
}

/// The caller's own; NULL when none came in time or the stream ended.
static inline GstSample *waldo_gst_pull(GstElement *sink, guint64 nanoseconds) {
    return gst_app_sink_try_pull_sample(GST_APP_SINK(sink), nanoseconds);
}

static inline void waldo_gst_release(GstSample *sample) { gst_sample_unref(sample); }

/// Nanoseconds since the source made it, by the pipeline's own clock; -1: not known.
static inline gint64 waldo_gst_age(GstElement *pipeline, GstSample *sample) {
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstSegment *segment = gst_sample_get_segment(sample);
    GstClock *clock = gst_element_get_clock(pipeline);
    if (!clock) return -1;
    gint64 age = -1;
    if (buffer && segment && segment->format == GST_FORMAT_TIME && GST_BUFFER_PTS_IS_VALID(buffer)) {
        guint64 running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
        if (running != GST_CLOCK_TIME_NONE)
            age = (gint64)gst_clock_get_time(clock) - (gint64)(gst_element_get_base_time(pipeline) + running);
    }
    gst_object_unref(clock);
    return age;
}

/// 0: the sample is no picture. A rate of 0: it changes.
static inline int waldo_gst_size(GstSample *sample, int *width, int *height, int *rate, int *per) {
    GstVideoInfo info;
    GstCaps *caps = gst_sample_get_caps(sample);
    if (!caps || !gst_video_info_from_caps(&info, caps)) return 0;
    *width = GST_VIDEO_INFO_WIDTH(&info);
    *height = GST_VIDEO_INFO_HEIGHT(&info);
    *rate = GST_VIDEO_INFO_FPS_N(&info);
    *per = GST_VIDEO_INFO_FPS_D(&info);
    return 1;
}

/// The picture's upper left, planes without padding; `width` and `height` even and at most the picture's own. 0: it cannot be read.
static inline int waldo_gst_copy_picture(GstSample *sample, uint8_t *bytes, int width, int height) {
    GstVideoInfo info;
    GstVideoFrame frame;
    if (!gst_video_info_from_caps(&info, gst_sample_get_caps(sample))) return 0;
    if (!gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ)) return 0;
    for (int plane = 0; plane < 3; plane++) {
        int columns = plane ? width / 2 : width, rows = plane ? height / 2 : height;
        int stride = GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
        const uint8_t *from = (const uint8_t *)GST_VIDEO_FRAME_PLANE_DATA(&frame, plane);
        if (stride == columns) {
            memcpy(bytes, from, (size_t)columns * rows);
        } else {
            for (int row = 0; row < rows; row++) memcpy(bytes + (size_t)row * columns, from + (ptrdiff_t)row * stride, columns);
        }
        bytes += (size_t)columns * rows;
    }
    gst_video_frame_unmap(&frame);
    return 1;
}

static inline int waldo_gst_is_key_frame(GstSample *sample) {
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    return buffer && !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}

static inline size_t waldo_gst_byte_count(GstSample *sample) {
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    return buffer ? gst_buffer_get_size(buffer) : 0;
}

static inline size_t waldo_gst_copy_bytes(GstSample *sample, void *bytes, size_t room) {
    return gst_buffer_extract(gst_sample_get_buffer(sample), 0, bytes, room);
}
