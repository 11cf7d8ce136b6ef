#if GStreamer
    internal import CGst
    import Media
    import Wire

    /// A picture, a piece of sound or an encoded frame, as GStreamer hands it over.
    @safe package final class GstSampleHandle {
        /// Since the source made it; zero where that is not known.
        package let age: Duration
        private let sample: OpaquePointer

        init(takingOwnershipOf sample: OpaquePointer, age: Duration) { unsafe (self.sample, self.age) = (sample, age) }

        deinit { unsafe waldo_gst_release(sample) }

        /// Pixels, rounded down to even, and pictures a second: 30 where they change. Nil: no picture.
        package var format: (width: Int, height: Int, rate: Int)? {
            var width: Int32 = 0, height: Int32 = 0, rate: Int32 = 0, per: Int32 = 0
            guard unsafe waldo_gst_size(sample, &width, &height, &rate, &per) == 1 else { return nil }
            let pace = rate > 0 && per > 0 ? (Double(rate) / Double(per)).rounded() : 30
            return (Int(width) & ~1, Int(height) & ~1, Int(min(max(pace, 1), 120)))
        }

        /// A copy, its last column and row left out where their number is odd.
        package var picture: Picture? {
            guard let (width, height, _) = format, width > 0, height > 0 else { return nil }
            var isRead = false
            let picture = unsafe Picture(width: width, height: height) { bytes in
                isRead = unsafe waldo_gst_copy_picture(sample, bytes, Int32(width), Int32(height)) == 1
            }
            return isRead ? picture : nil
        }

        /// Native 16-bit samples.
        package var sound: [Int16] {
            let count = unsafe waldo_gst_byte_count(sample) / 2
            return unsafe [Int16](unsafeUninitializedCapacity: count) { buffer, initialized in
                initialized = unsafe waldo_gst_copy_bytes(sample, buffer.baseAddress!, count * 2) / 2
            }
        }

        /// Of an encoded frame.
        package var isKeyFrame: Bool { unsafe waldo_gst_is_key_frame(sample) == 1 }

        package var bytes: [UInt8] {
            let count = unsafe waldo_gst_byte_count(sample)
            return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                initialized = count == 0 ? 0 : unsafe waldo_gst_copy_bytes(sample, buffer.baseAddress!, count)
            }
        }
    }
#endif
