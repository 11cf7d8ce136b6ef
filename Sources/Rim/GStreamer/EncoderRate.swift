#if GStreamer
    /// How an encoder element is told its bitrate, while it runs, too.
    struct EncoderRate: Sendable, Hashable {
        var property: String
        /// bit/s that the property counts in.
        var unit = 1
        /// A property for the most that may be used.
        var most: String?
        /// The structure that the property stands in.
        var structure: String?

        static let known: [String: EncoderRate] = [
            "x264enc": EncoderRate(property: "bitrate", unit: 1000),
            "openh264enc": EncoderRate(property: "bitrate", most: "max-bitrate"),
            "vp8enc": EncoderRate(property: "target-bitrate"),
            "vaapih264enc": EncoderRate(property: "bitrate", unit: 1000),
            "vaapivp8enc": EncoderRate(property: "bitrate", unit: 1000),
            "vah264enc": EncoderRate(property: "bitrate", unit: 1000),
            "vah264lpenc": EncoderRate(property: "bitrate", unit: 1000),
            "nvh264enc": EncoderRate(property: "bitrate", unit: 1000),
            "qsvh264enc": EncoderRate(property: "bitrate", unit: 1000),
            "msdkh264enc": EncoderRate(property: "bitrate", unit: 1000),
            "mpph264enc": EncoderRate(property: "bps"),
            "v4l2h264enc": EncoderRate(property: "video_bitrate", structure: "extra-controls"),
            "v4l2vp8enc": EncoderRate(property: "video_bitrate", structure: "extra-controls"),
        ]

        /// `before`: what holds now, nil at first. The most may never be less than what is asked for.
        func set(_ bitrate: Int, before: Int?, on encoder: GstElementHandle) {
            if let structure {
                encoder.set(property, bitrate / unit, in: structure, named: "controls")
                return
            }
            let isRise = bitrate > before ?? 0
            func setMost() { if let most { encoder.set(most, String(bitrate / unit * 5 / 4)) } }
            if isRise { setMost() }
            encoder.set(property, String(bitrate / unit))
            if !isRise { setMost() }
        }
    }
#endif
