/// Why a camera or microphone cannot be had: for people, with GStreamer's own words where they are its.
public enum CameraError: Error, Sendable, Hashable, CustomStringConvertible {
    /// GStreamer itself does not begin.
    case gstreamer(String)
    /// The description is none, or names an element that is not installed.
    case description(String, reason: String)
    /// It could be made and gives nothing.
    case source(String, reason: String)
    /// What it gives is no fit picture.
    case picture(String, got: String)
    case thread(code: Int32)

    public var description: String {
        switch self {
        case .gstreamer(let reason): "GStreamer cannot be used: \(reason). `scripts/setup gstreamer` installs what it needs."
        case .description(let pipeline, let reason):
            "pipeline `\(pipeline)`: expected GStreamer elements as gst-launch-1.0 takes them, without a sink; GStreamer says: \(reason)"
        case .source(let pipeline, let reason): "pipeline `\(pipeline)` gives nothing; GStreamer says: \(reason)"
        case .picture(let pipeline, let got): "pipeline `\(pipeline)`: expected pictures from 64x64 to 4096x4096, got \(got)"
        case .thread(let code): "the system refused a thread (error \(code)): check its limits (ulimit -u)."
        }
    }
}
