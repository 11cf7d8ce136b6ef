#if GStreamer
    internal import CGst
    import Media
    import Wire

    /// One element of a pipeline, which has a name there.
    @safe package final class GstElementHandle {
        private let element: UnsafeMutablePointer<GstElement>

        init(takingOwnershipOf element: UnsafeMutablePointer<GstElement>) { unsafe self.element = element }

        deinit { unsafe waldo_gst_drop_element(element) }

        /// As gst-launch-1.0 takes it; a property that is not there is left alone, with a warning of GLib's.
        package func set(_ property: String, _ value: String) { unsafe waldo_gst_set(element, property, value) }

        /// A whole number in a property that is a structure of this name.
        package func set(_ field: String, _ value: Int, in property: String, named name: String) {
            unsafe waldo_gst_set_in(element, property, name, field, Int32(clamping: value))
        }

        /// Of an encoder: the next picture becomes a key frame.
        package func forceKeyFrame() { unsafe waldo_gst_force_key_frame(element) }

        /// Of an `appsrc`; false: it takes nothing any more.
        package func push(_ picture: Picture, at time: Duration, for length: Duration) -> Bool {
            unsafe picture.bytes.withUnsafeBufferPointer { bytes in
                unsafe waldo_gst_push_picture(
                    element, bytes.baseAddress!, Int32(picture.width), Int32(picture.height), guint64(time.nanoseconds),
                    guint64(length.nanoseconds)) == 1
            }
        }
    }
#endif
